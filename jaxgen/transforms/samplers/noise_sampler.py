"""Stochastic samplers without a density: their noise goes through the network within a step, so that no step is Gaussian.

All are IMPLICIT for that reason. All but `stochastic_runge_kutta` end with the denoiser, on the grid of the deterministic samplers, and
leave no noise; their base is `diffusion_noise(event, num_increments)` with the number each states.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths import Prediction
from jaxgen.transform import Transform
from jaxgen.transforms.samplers.gaussian_chain import posterior_sd
from jaxgen.transforms.samplers.grid_sampler import heun_step, noise_levels
from jaxgen.transforms.samplers.sde_sampler import Diffusion, reverse_sde


def edm_stochastic(
    init: Callable[..., Any],
    prediction: Prediction,
    num_steps: int,
    *,
    churn: float = 40.0,
    noise: float = 1.0,
    min_level: float = 0.0,
    max_level: float = math.inf,
) -> Transform:
    """EDM's stochastic sampler (arXiv 2206.00364, algorithm 2), for any path in `sigma / alpha`: noise is added, then a step of `heun`.

    churn, noise, min_level and max_level are its S_churn, S_noise, S_tmin and S_tmax; churn = 0 is `heun`. Noise levels are not raised
    above the path's first, and the last step adds none. `num_steps - 1` increments.
    """
    path = prediction.path
    checks.count("num_steps", num_steps)
    for name, value in (("churn", churn), ("noise", noise), ("min_level", min_level)):
        checks.number(f"edm_stochastic: {name}", value, least=0)
    gain = min(churn / num_steps, math.sqrt(2) - 1)

    def step(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any, increments: jax.Array) -> jax.Array:
        level = path.sigma(t) / jnp.maximum(path.alpha(t), jnp.finfo(t.dtype).tiny)
        inside = (level >= min_level) & (level <= max_level) & (t > 0) & (gain > 0)
        top = -path.log_snr(jnp.zeros_like(t))
        raised = jnp.where(inside, path.time_of(-jnp.minimum(jnp.log(level) + math.log1p(gain), top)), t)
        scale = path.alpha(raised) / jnp.where(inside, path.alpha(t), 1)
        extra = path.sigma(raised) ** 2 - (scale * path.sigma(t)) ** 2
        sd = jnp.where(inside, jnp.sqrt(jnp.maximum(extra, 0)), 0)
        x = jnp.where(inside, scale, 1) * x + noise * sd * increments[0]
        return heun_step(prediction, params, x, raised, s, cond)

    return _with_noise(init, prediction, step, num_steps, 1, 2)


def predictor_corrector(
    init: Callable[..., Any], prediction: Prediction, num_steps: int, *, num_corrector: int = 1, snr: float = 0.16, eta: float = 1.0
) -> Transform:
    """Ancestral steps, each followed by `num_corrector` Langevin steps at the level reached (arXiv 2011.13456, algorithms 2 to 5).

    A corrector is `x + e score + sqrt(2 e) z` with `e = 2 (snr sigma)^2`: the paper's e for a score of its usual length, without the
    dependence of e on the noise. eta scales the predictor's noise. `(num_steps - 1) (1 + num_corrector)` increments.
    """
    path = prediction.path
    checks.count("predictor_corrector: num_corrector", num_corrector, 0)
    checks.number("predictor_corrector: snr", snr, above=0)
    checks.number("predictor_corrector: eta", eta, least=0)

    def step(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any, increments: jax.Array) -> jax.Array:
        _, keep = posterior_sd(path, t, s, eta)
        sd = jnp.sqrt(jnp.maximum(path.sigma(s) ** 2 - keep**2, 0))
        x = path.alpha(s) * prediction.denoiser(params, x, t, cond) + keep * prediction.eps(params, x, t, cond) + sd * increments[0]
        return _langevin(prediction, params, x, s, cond, increments[1:], snr)

    return _with_noise(init, prediction, step, num_steps, 1 + num_corrector, 1 + num_corrector)


def langevin(init: Callable[..., Any], prediction: Prediction, num_steps: int, *, num_per_level: int = 10, snr: float = 0.3) -> Transform:
    """Annealed Langevin dynamics (arXiv 1907.05600, algorithm 1) over `num_steps` noise levels, denoised at the end (2006.09011).

    Each step is `x + e score + sqrt(2 e) z` with `e = 2 (snr sigma)^2`, proportional to the level's variance as in the paper.
    `(num_steps - 1) num_per_level` increments: the first level is the noise that is given.
    """
    checks.count("langevin: num_per_level", num_per_level)
    checks.number("langevin: snr", snr, above=0)

    def step(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any, increments: jax.Array) -> jax.Array:
        return _langevin(prediction, params, x, s, cond, increments, snr)

    return _with_noise(init, prediction, step, num_steps, num_per_level, num_per_level)


def stochastic_runge_kutta(
    init: Callable[..., Any], prediction: Prediction, num_steps: int, *, diffusion: Diffusion | None = None
) -> Transform:
    """The reverse SDE of `euler_maruyama` by SRA1, of strong order 1.5 for additive noise (Roessler 2010, SIAM J. Numer. Anal. 48, table 6.1).

    Base: `diffusion_noise(event, num_steps, areas=True)`. With increments dW = sqrt(h) u and areas w, the time integral of the noise over
    a step is `h dW / 2 + sqrt(h^3 / 12) w`. Two evaluations a step; ends at t = 1 with the SDE's own noise.
    """
    _check_steps(num_steps)
    # Not diffrax's SRA1: its noise is drawn from a key within the solve, and ours is no slower (benchmarks/sde_grid.py).
    path, (drift, g2) = prediction.path, reverse_sde(prediction, diffusion)

    def run(params: Any, z: Any, cond: Any) -> tuple[jax.Array, jax.Array]:
        ts = jnp.linspace(0.0, 1.0, num_steps + 1, dtype=z["x0"].dtype)
        h = jnp.asarray(1 / num_steps, ts.dtype)

        def step(x: jax.Array, inputs: Any) -> Any:
            x = sra1_step(lambda x, t: drift(params, x, t, cond), g2, x, inputs[0], h, *inputs[1:])
            return x, x

        return jax.lax.scan(step, path.sigma(ts[0]) * z["x0"], (ts[:-1], z["increments"], z["areas"]))

    return _implicit(init, prediction, run, 2 * num_steps)


def sra1_step(
    drift: Callable[[jax.Array, jax.Array], jax.Array],
    g2: Callable[[jax.Array], jax.Array],
    x: jax.Array,
    t: jax.Array,
    h: jax.Array,
    increment: jax.Array,
    area: jax.Array,
) -> jax.Array:
    """One step of SRA1 of `dX = drift(X, t) dt + sqrt(g2(t)) dW`; increment and area are the step's standard Gaussian noise."""
    dw = jnp.sqrt(h) * increment
    mean_w = 0.5 * dw + jnp.sqrt(h / 12) * area
    f, g, g_end = drift(x, t), jnp.sqrt(g2(t)), jnp.sqrt(g2(t + h))
    f_middle = drift(x + 0.75 * h * f + 1.5 * g_end * mean_w, t + 0.75 * h)
    return x + h * (f + 2 * f_middle) / 3 + g_end * dw + (g - g_end) * mean_w


def _langevin(prediction: Prediction, params: Any, x: jax.Array, t: jax.Array, cond: Any, increments: jax.Array, snr: float) -> jax.Array:
    sigma = prediction.path.sigma(t)

    def step(x: jax.Array, increment: jax.Array) -> Any:
        return x - 2 * snr**2 * sigma * prediction.eps(params, x, t, cond) + 2 * snr * sigma * increment, None

    return jax.lax.scan(step, x, increments)[0]


def _check_steps(num_steps: int) -> None:
    checks.count("num_steps", num_steps)


def _with_noise(
    init: Callable[..., Any], prediction: Prediction, step: Callable[..., jax.Array], num_steps: int, draws: int, evaluations: int
) -> Transform:
    """`step(params, x, t, s, cond, increments (draws, d)) -> x` over `noise_levels`, then the denoiser."""
    _check_steps(num_steps)
    path, num = prediction.path, (num_steps - 1) * draws

    def run(params: Any, z: Any, cond: Any) -> tuple[jax.Array, jax.Array]:
        x0, increments = z["x0"], z["increments"]
        if increments.shape[0] != num:
            raise ValueError(f"increments of shape {increments.shape}; expected ({num}, ...): the base is diffusion_noise(event, {num}).")
        grid = noise_levels(path, num_steps, x0.dtype)

        def body(x: jax.Array, inputs: Any) -> Any:
            x = step(params, x, *inputs[:2], cond, inputs[2])
            return x, x

        each = increments.reshape(num_steps - 1, draws, *x0.shape)
        x, seen = jax.lax.scan(body, path.sigma(grid[0]) * x0, (grid[:-1], grid[1:], each))
        last = prediction.denoiser(params, x, grid[-1], cond)
        return last, jnp.concatenate([seen, last[None]])

    return _implicit(init, prediction, run, (num_steps - 1) * evaluations + 1)


def _implicit(init: Callable[..., Any], prediction: Prediction, run: Callable[..., tuple[jax.Array, jax.Array]], nfe: int) -> Transform:
    return Transform(
        lambda key, z, cond=None: init(key, z["x0"], cond),
        lambda params, z, cond=None: run(params, z, cond)[0],
        parts={
            **prediction.parts(),
            "stages": lambda params, z, cond=None: run(params, z, cond)[1],
            "nfe": lambda params, z, cond=None: nfe,
        },
        note="no density: the noise within a step passes through the network.",
    )
