"""Deterministic few-step samplers of a diffusion on a fixed grid. They end noiseless; their density is that of the ODE behind them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.numerics import Solver
from jaxgen.paths import Path, Prediction
from jaxgen.transform import Density, Transform, over_batch
from jaxgen.transforms.ode_flow import probability_flow
from jaxgen.transforms.samplers.sde_sampler import ancestral, extrapolated, no_memory


def ddim(
    init: Callable[..., Any],
    prediction: Prediction,
    num_steps: int,
    *,
    eta: float = 0.0,
    density_solver: Solver | None = None,
    trace: str = "exact",
) -> Transform:
    """DDIM (arXiv 2010.02502, eq. 12 with sigma = 0): `x_s = alpha_s x_hat + sigma_s z_hat`, and `x_hat` itself at the end.

    eta > 0 is `ancestral(eta=eta)`, whose base is `diffusion_noise(event, num_steps)` and whose density is a bound. The part `encode`
    `(params, x, cond=None, num_refine=0) -> z` runs the steps backwards, z_hat taken at the cleaner end of each (section 5.4), then
    `num_refine` times at the point found, which approaches the inverse of this sampler.
    """
    if eta:
        return ancestral(init, prediction, num_steps, eta=eta)
    path = prediction.path

    def step(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any, memory: Any) -> Any:
        return path.at(s, prediction.denoiser(params, x, t, cond), prediction.eps(params, x, t, cond)), memory

    def encode(params: Any, x: jax.Array, cond: Any = None, num_refine: int = 0) -> jax.Array:
        grid = noise_levels(path, num_steps, x.dtype)
        one, zero = jnp.ones(1, x.dtype), jnp.zeros(1, x.dtype)
        alphas, sigmas = jnp.concatenate([path.alpha(grid), one]), jnp.concatenate([path.sigma(grid), zero])

        def back(x: jax.Array, inputs: Any, from_noise: bool = False) -> Any:
            t, s, alpha, sigma, alpha_s, sigma_s = inputs

            def from_slope(at: jax.Array, when: jax.Array) -> jax.Array:
                if from_noise:
                    return sigma / sigma_s * (x - alpha_s * prediction.denoiser(params, at, when, cond))
                return alpha / alpha_s * x + (sigma - alpha * sigma_s / alpha_s) * prediction.eps(params, at, when, cond)

            return jax.lax.fori_loop(0, num_refine, lambda _, at: from_slope(at, t), from_slope(x, s)), None

        times = (grid, jnp.concatenate([grid[1:], one]), alphas[:-1], sigmas[:-1], alphas[1:], sigmas[1:])
        if num_steps == 1 or not path.ends()[0]:
            return jax.lax.scan(back, x, times, reverse=True)[0] / sigmas[0]
        # Where alpha is 0, z_hat is the point itself wherever it lies and says nothing of where the step came from; the denoiser does.
        first, rest = (jax.tree.map(lambda a, k=k: a[k], times) for k in (0, slice(1, None)))
        return back(jax.lax.scan(back, x, rest, reverse=True)[0], first, True)[0] / sigmas[0]

    made = on_grid(init, prediction, step, num_steps, 1, density_solver, trace)
    return made._replace(parts={**made.parts, "encode": encode})


def euler(
    init: Callable[..., Any], prediction: Prediction, num_steps: int, *, density_solver: Solver | None = None, trace: str = "exact"
) -> Transform:
    """Euler's method on `dx/dt = velocity`, and the denoiser as the last step; on the linear path that is an Euler step, and DDIM."""

    def step(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any, memory: Any) -> Any:
        return x + (s - t) * prediction.velocity(params, x, t, cond), memory

    return on_grid(init, prediction, step, num_steps, 1, density_solver, trace)


def heun(
    init: Callable[..., Any], prediction: Prediction, num_steps: int, *, density_solver: Solver | None = None, trace: str = "exact"
) -> Transform:
    """Heun's method in `sigma / alpha` (arXiv 2206.00364, algorithm 1), for any path: with `x / alpha` as state the slope is `z_hat`.

    `num_steps` steps cost `2 num_steps - 1` network evaluations. A step from alpha = 0 is DDIM's.
    """

    def step(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any, memory: Any) -> Any:
        return heun_step(prediction, params, x, t, s, cond), memory

    return on_grid(init, prediction, step, num_steps, 2, density_solver, trace)


def dpm_solver(
    init: Callable[..., Any], prediction: Prediction, num_steps: int, *, density_solver: Solver | None = None, trace: str = "exact"
) -> Transform:
    """DPM-Solver++(2M) (arXiv 2211.01095, algorithm 2): exact for a constant x_hat, which two states extrapolate; one evaluation a step.

    On the grid of its path; the paper's equal steps in log-SNR are those of `paths.ve`, or of any network read on it (`paths.on_path`).
    """
    path = prediction.path

    def step(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any, memory: Any) -> Any:
        ahead, memory = extrapolated(path, prediction.denoiser(params, x, t, cond), t, s, memory)
        shrink = path.sigma(s) / path.sigma(t)
        return shrink * x + (path.alpha(s) - shrink * path.alpha(t)) * ahead, memory

    return on_grid(init, prediction, step, num_steps, 1, density_solver, trace, no_memory)


def heun_step(prediction: Prediction, params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any) -> jax.Array:
    """One step of `heun` from t to s."""
    path = prediction.path
    d = prediction.eps(params, x, t, cond)
    ahead = path.at(s, prediction.denoiser(params, x, t, cond), d)
    alpha = path.alpha(t)
    some = alpha > 0
    gap = jnp.where(some, path.sigma(s) - path.alpha(s) * path.sigma(t) / jnp.where(some, alpha, 1), 0)
    return ahead + 0.5 * gap * (prediction.eps(params, ahead, s, cond) - d)


def noise_levels(path: Path, num_steps: int, dtype: Any) -> jax.Array:
    """The `num_steps` times of a sampler that then takes the denoiser as its last step: equal steps from 0, the last of them to sigma = 0.

    On a path whose sigma ends above 0 they fill [0, 1], and the last step starts at t = 1; where sigma(1) = 0 it ends there.
    """
    num = num_steps + 1 if path.ends()[1] else max(num_steps, 2)
    return jnp.linspace(0.0, 1.0, num, dtype=dtype)[:num_steps]


def on_grid(
    init: Callable[..., Any],
    prediction: Prediction,
    step: Callable[..., Any],
    num_steps: int,
    order: int,
    density_solver: Solver | None,
    trace: str,
    memory: Callable[[jax.Array], Any] = lambda x: (),
) -> Transform:
    """The sampler of `step(params, x, t, s, cond, memory) -> (x, memory)` over `noise_levels`, with the density of the ODE."""
    checks.count("num_steps", num_steps)
    flow = probability_flow(init, prediction, solver=density_solver, trace=trace)

    def run(params: Any, z: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
        grid = noise_levels(prediction.path, num_steps, z.dtype)

        def body(carry: Any, ts: Any) -> Any:
            x, kept = step(params, carry[0], *ts, cond, carry[1])
            return (x, kept), x

        start = prediction.path.sigma(grid[0]) * z
        (x, _), seen = jax.lax.scan(body, (start, memory(start)), (grid[:-1], grid[1:]))
        last = prediction.denoiser(params, x, grid[-1], cond)
        return last, jnp.concatenate([seen, last[None]])

    def forward(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        return run(params, z, cond)[0]

    nfe = order * (num_steps - 1) + 1
    plain = over_batch(Transform(init, forward))
    assert flow.batched is not None
    return flow._replace(
        forward=forward,
        forward_and_log_det=None,
        parts={**flow.parts, "stages": lambda params, z, cond=None: run(params, z, cond)[1], "nfe": lambda params, z, cond=None: nfe},
        batched=flow.batched._replace(forward=plain.forward, forward_and_log_det=None),
        density=Density.EXACT if trace == "exact" else Density.UNBIASED,
        note=f"density of the probability-flow ODE; the sampler takes {num_steps} steps.",
    )
