"""Deterministic few-step samplers of a diffusion on a fixed grid. They end noiseless; their density is that of the ODE behind them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.numerics import Solver
from jaxgen.paths import Prediction
from jaxgen.transform import Density, Transform, over_batch
from jaxgen.transforms.ode_flow import probability_flow


def ddim(
    init: Callable[..., Any], prediction: Prediction, num_steps: int, *, density_solver: Solver | None = None, trace: str = "exact"
) -> Transform:
    """DDIM (arXiv 2010.02502, eq. 12 with sigma = 0): `x_s = alpha_s x_hat + sigma_s z_hat`, and `x_hat` itself at the end."""

    def step(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any) -> jax.Array:
        return prediction.path.at(s, prediction.denoiser(params, x, t, cond), prediction.eps(params, x, t, cond))

    return _on_grid(init, prediction, step, num_steps, 1, density_solver, trace)


def heun(
    init: Callable[..., Any], prediction: Prediction, num_steps: int, *, density_solver: Solver | None = None, trace: str = "exact"
) -> Transform:
    """Heun's method in `sigma / alpha` (arXiv 2206.00364, algorithm 1), for any path: with `x / alpha` as state the slope is `z_hat`.

    `num_steps` steps cost `2 num_steps - 1` network evaluations.
    """
    path = prediction.path

    def step(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any) -> jax.Array:
        dt = path.sigma(s) / path.alpha(s) - path.sigma(t) / path.alpha(t)
        d = prediction.eps(params, x, t, cond)
        euler = path.alpha(s) * (x / path.alpha(t) + dt * d)
        return path.alpha(s) * (x / path.alpha(t) + 0.5 * dt * (d + prediction.eps(params, euler, s, cond)))

    return _on_grid(init, prediction, step, num_steps, 2, density_solver, trace)


def _on_grid(
    init: Callable[..., Any],
    prediction: Prediction,
    step: Callable[..., jax.Array],
    num_steps: int,
    order: int,
    density_solver: Solver | None,
    trace: str,
) -> Transform:
    if num_steps < 1:
        raise ValueError(f"num_steps={num_steps!r}; accepted: an integer of at least 1.")
    flow = probability_flow(init, prediction, solver=density_solver, trace=trace)

    def run(params: Any, z: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
        # num_steps - 1 steps within the path and a last one to sigma = 0, which is the denoiser.
        grid = jnp.linspace(0.0, 1.0, max(num_steps, 2), dtype=z.dtype)[:num_steps]

        def body(x: jax.Array, ts: Any) -> Any:
            x = step(params, x, *ts, cond)
            return x, x

        x, seen = jax.lax.scan(body, prediction.path.sigma(grid[0]) * z, (grid[:-1], grid[1:]))
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
