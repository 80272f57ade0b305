"""Deterministic few-step samplers of a diffusion on a fixed grid. They end noiseless; their density is that of the ODE behind them."""

from typing import Protocol

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.numerics import Solver
from jaxgen.paths import Path, Prediction
from jaxgen.transform import Hooks, Init, Maps, Part, Space, Transform
from jaxgen.transforms.ode_flow import probability_flow
from jaxgen.transforms.parts import prediction_parts
from jaxgen.transforms.samplers.affine_step import AffineSampler, Memory, Step
from jaxgen.transforms.samplers.sde_sampler import ancestral
from jaxgen.types import Cond, DTypeLike, Params


class Advance(Protocol):
    """One step of a sampler from t to s: `(params, x, t, s, cond, memory) -> (x, memory)`."""

    def __call__(
        self, params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond, memory: Memory, /
    ) -> tuple[jax.Array, Memory]: ...


def ddim(
    init: Init,
    prediction: Prediction,
    num_steps: int,
    *,
    eta: float = 0.0,
    density_solver: Solver | None = None,
    trace: str = "exact",
) -> Transform:
    """Sample by DDIM: `x_s = alpha_s x_hat + sigma_s z_hat`, and x_hat itself at the end.

    The part `encode(params, x, cond=None, num_refine=0) -> z` runs the steps backwards, with z_hat taken at the cleaner end of each
    (section 5.4), then `num_refine` times at the point it led to, which approaches the inverse of this sampler.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        num_steps: How many network evaluations a sample takes.
        eta: The factor of the steps' standard deviation. Above 0 the sampler is `ancestral(eta=eta)`, whose base is
            `diffusion_noise(event, num_steps)` and whose density is a bound.
        density_solver: How the probability-flow ODE is solved for its density; None is `numerics.adaptive()`.
        trace: How the ODE's divergence is computed, as in `ode_flow`.

    Returns:
        The transform; its density is that of the probability-flow ODE.

    Raises:
        ValueError: `num_steps` is below 1, or `eta` above 1.

    Source: arXiv 2010.02502, eq. 12 with sigma = 0.

    >>> import jax.numpy as jnp, jaxgen
    >>> ones = jaxgen.paths.prediction(jaxgen.paths.vp_linear(), lambda params, x, t, cond=None: jnp.ones_like(x), "denoiser")
    >>> ddim(lambda key, z, cond=None: (), ones, 4).forward((), jnp.zeros(2)).tolist()
    [1.0, 1.0]
    """
    if eta:
        return ancestral(init, prediction, num_steps, eta=eta)

    def step(path: Path, t: jax.Array, s: jax.Array) -> Step:
        return Step(path.alpha(s), path.sigma(s))

    sampler = _affine(init, AffineSampler(prediction, step), num_steps, density_solver, trace)
    encode = _Encoder(prediction, num_steps)
    return sampler._replace(parts={**sampler.parts, "encode": Part(encode, Space.DATA)})


def euler(init: Init, prediction: Prediction, num_steps: int, *, density_solver: Solver | None = None, trace: str = "exact") -> Transform:
    """Sample by Euler's method on `dx/dt = velocity`, with the denoiser as the last step; on the linear path that is DDIM.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        num_steps: How many network evaluations a sample takes.
        density_solver: How the probability-flow ODE is solved for its density; None is `numerics.adaptive()`.
        trace: How the ODE's divergence is computed, as in `ode_flow`.

    Returns:
        The transform; its density is that of the probability-flow ODE.

    Raises:
        ValueError: `num_steps` is below 1.

    >>> import jax.numpy as jnp, jaxgen
    >>> ones = jaxgen.paths.prediction(jaxgen.paths.linear(), lambda params, x, t, cond=None: jnp.ones_like(x), "denoiser")
    >>> euler(lambda key, z, cond=None: (), ones, 4).forward((), jnp.zeros(2)).tolist()
    [1.0, 1.0]
    """

    def step(params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond, memory: Memory, /) -> tuple[jax.Array, Memory]:
        return x + (s - t) * prediction.velocity(params, x, t, cond), memory

    return on_grid(init, prediction, step, num_steps, num_steps, density_solver, trace)


def heun(init: Init, prediction: Prediction, num_steps: int, *, density_solver: Solver | None = None, trace: str = "exact") -> Transform:
    """Sample by Heun's method in `sigma / alpha`, for any path: with `x / alpha` as state the slope is `z_hat`.

    A step from alpha = 0 is DDIM's.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        num_steps: How many steps a sample takes; they cost `2 num_steps - 1` network evaluations.
        density_solver: How the probability-flow ODE is solved for its density; None is `numerics.adaptive()`.
        trace: How the ODE's divergence is computed, as in `ode_flow`.

    Returns:
        The transform; its density is that of the probability-flow ODE.

    Raises:
        ValueError: `num_steps` is below 1.

    Source: arXiv 2206.00364, algorithm 1.

    >>> import jax.numpy as jnp, jaxgen
    >>> ones = jaxgen.paths.prediction(jaxgen.paths.edm(), lambda params, x, t, cond=None: jnp.ones_like(x), "denoiser")
    >>> heun(lambda key, z, cond=None: (), ones, 4).forward((), jnp.zeros(2)).tolist()
    [1.0, 1.0]
    """

    def step(params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond, memory: Memory, /) -> tuple[jax.Array, Memory]:
        return heun_step(prediction, params, x, t, s, cond), memory

    return on_grid(init, prediction, step, num_steps, 2 * num_steps - 1, density_solver, trace)


def dpm_solver(
    init: Init, prediction: Prediction, num_steps: int, *, density_solver: Solver | None = None, trace: str = "exact"
) -> Transform:
    """Sample by DPM-Solver++(2M): exact for a constant x_hat, which two states extrapolate.

    The steps lie on the grid of the path; the paper's equal steps in log-SNR are the steps of `paths.ve`, also for a network
    that `paths.on_path` reads on it.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        num_steps: How many network evaluations a sample takes.
        density_solver: How the probability-flow ODE is solved for its density; None is `numerics.adaptive()`.
        trace: How the ODE's divergence is computed, as in `ode_flow`.

    Returns:
        The transform; its density is that of the probability-flow ODE.

    Raises:
        ValueError: `num_steps` is below 1.

    Source: arXiv 2211.01095, algorithm 2.

    >>> import jax.numpy as jnp, jaxgen
    >>> ones = jaxgen.paths.prediction(jaxgen.paths.ve(), lambda params, x, t, cond=None: jnp.ones_like(x), "denoiser")
    >>> dpm_solver(lambda key, z, cond=None: (), ones, 4).forward((), jnp.zeros(2)).tolist()
    [1.0, 1.0]
    """

    def step(path: Path, t: jax.Array, s: jax.Array) -> Step:
        shrink = path.sigma(s) / path.sigma(t)
        return Step(path.alpha(s) - shrink * path.alpha(t), None, shrink)

    return _affine(init, AffineSampler(prediction, step, multistep=True), num_steps, density_solver, trace)


def heun_step(prediction: Prediction, params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond) -> jax.Array:
    """Take one step of `heun` from t to s.

    Args:
        prediction: The network read on its path.
        params: Its params.
        x: The state `(d,)` at t.
        t: Where the step starts.
        s: Where it ends.
        cond: The condition, or None.

    Returns:
        The state at s.
    """
    path = prediction.path
    x_hat, slope = prediction.both(params, x, t, cond)
    ahead = path.at(s, x_hat, slope)
    alpha = path.alpha(t)
    some = alpha > 0
    gap = jnp.where(some, path.sigma(s) - path.alpha(s) * path.sigma(t) / jnp.where(some, alpha, 1), 0)
    return ahead + 0.5 * gap * (prediction.eps(params, ahead, s, cond) - slope)


def noise_levels(path: Path, num_steps: int, dtype: DTypeLike) -> jax.Array:
    """Return the times of a sampler that takes the denoiser as its last step: equal steps from 0, the last of them to sigma = 0.

    Args:
        path: The path. If its sigma ends above 0 the times fill [0, 1] and the last step starts at t = 1; if sigma(1) = 0 it ends there.
        num_steps: How many times.
        dtype: Their dtype.

    Returns:
        The times `(num_steps,)`.
    """
    num = num_steps + 1 if path.ends()[1] else max(num_steps, 2)
    return jnp.linspace(0.0, 1.0, num, dtype=dtype)[:num_steps]


def on_grid(
    init: Init,
    prediction: Prediction,
    step: Advance,
    num_steps: int,
    num_evaluations: int,
    density_solver: Solver | None,
    trace: str,
    start: "MemoryOf | None" = None,
) -> Transform:
    """Build the sampler of `step` over `noise_levels`, with the density of the ODE.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        step: One step from t to s.
        num_steps: How many steps, the denoiser at the end included.
        num_evaluations: How many network evaluations a sample takes.
        density_solver: How the ODE is solved for its density.
        trace: How the ODE's divergence is computed.
        start: What a multistep method remembers before its first step, from the first state.

    Returns:
        The transform, whose proxy is the probability-flow ODE.
    """
    checks.count("sampler: num_steps", num_steps)
    flow = probability_flow(init, prediction, solver=density_solver, trace=trace)

    # The sample and all states, apart, so that sampling keeps no states.
    def run(params: Params, z: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array]:
        grid = noise_levels(prediction.path, num_steps, z.dtype)

        def body(carry: tuple[jax.Array, Memory], ts: tuple[jax.Array, jax.Array]) -> tuple[tuple[jax.Array, Memory], jax.Array]:
            x, memory = step(params, carry[0], *ts, cond, carry[1])
            return (x, memory), x

        first = prediction.path.sigma(grid[0]) * z
        (x, _), states = jax.lax.scan(body, (first, start(first) if start else ()), (grid[:-1], grid[1:]))
        end = prediction.denoiser(params, x, grid[-1], cond)
        return end, jnp.concatenate([states, end[None]])

    return Transform(
        init,
        Maps(lambda params, z, cond=None: run(params, z, cond)[0]),
        flow.kind,
        proxy=flow,
        hooks=Hooks(lambda params, z, cond=None: run(params, z, cond)[1], lambda params, z, cond=None: num_evaluations),
        parts=prediction_parts(prediction),
    )


class MemoryOf(Protocol):
    """What a multistep method remembers before its first step."""

    def __call__(self, x: jax.Array, /) -> Memory: ...


def _affine(init: Init, sampler: AffineSampler, num_steps: int, density_solver: Solver | None, trace: str) -> Transform:
    """The sampler of noiseless affine steps."""

    def step(params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond, memory: Memory, /) -> tuple[jax.Array, Memory]:
        mean, _, memory = sampler.mean(params, x, t, s, cond, memory)
        return mean, memory

    return on_grid(init, sampler.prediction, step, num_steps, num_steps, density_solver, trace, sampler.start)


class _Encoder:
    """DDIM backwards, from data to noise."""

    def __init__(self, prediction: Prediction, num_steps: int) -> None:
        self.prediction, self.num_steps = prediction, num_steps

    def __call__(self, params: Params, x: jax.Array, cond: Cond = None, num_refine: int = 0) -> jax.Array:
        path, num_steps = self.prediction.path, self.num_steps
        grid = noise_levels(path, num_steps, x.dtype)
        one, zero = jnp.ones(1, x.dtype), jnp.zeros(1, x.dtype)
        alphas, sigmas = jnp.concatenate([path.alpha(grid), one]), jnp.concatenate([path.sigma(grid), zero])
        back = self._step_back(params, cond, num_refine)
        times = (grid, jnp.concatenate([grid[1:], one]), alphas[:-1], sigmas[:-1], alphas[1:], sigmas[1:])
        if num_steps == 1 or not path.ends()[0]:
            return jax.lax.scan(back, x, times, reverse=True)[0] / sigmas[0]
        # If alpha is 0, z_hat is the point itself wherever it lies and says nothing of where the step came from; the denoiser does.
        first, rest = (jax.tree.map(lambda a, k=k: a[k], times) for k in (0, slice(1, None)))
        return back(jax.lax.scan(back, x, rest, reverse=True)[0], first, True)[0] / sigmas[0]

    def _step_back(self, params: Params, cond: Cond, num_refine: int) -> "StepBack":
        def back(x: jax.Array, inputs: tuple[jax.Array, ...], from_noise: bool = False) -> tuple[jax.Array, None]:
            t, s, alpha, sigma, alpha_s, sigma_s = inputs

            def from_slope(at: jax.Array, when: jax.Array) -> jax.Array:
                if from_noise:
                    return sigma / sigma_s * (x - alpha_s * self.prediction.denoiser(params, at, when, cond))
                return alpha / alpha_s * x + (sigma - alpha * sigma_s / alpha_s) * self.prediction.eps(params, at, when, cond)

            return jax.lax.fori_loop(0, num_refine, lambda _, at: from_slope(at, t), from_slope(x, s)), None

        return back


class StepBack(Protocol):
    """One step of an encoder, as `lax.scan` wants it."""

    def __call__(self, x: jax.Array, inputs: tuple[jax.Array, ...], from_noise: bool = False) -> tuple[jax.Array, None]: ...
