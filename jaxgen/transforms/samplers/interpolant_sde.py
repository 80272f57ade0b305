"""The SDE of a stochastic interpolant on a fixed grid, from one data set to another (arXiv 2303.08797, section 2.3)."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths import Interpolant
from jaxgen.paths.path import Schedule
from jaxgen.transform import Transform
from jaxgen.transforms.samplers.bridge_sde import mirrored
from jaxgen.transforms.samplers.noise_sampler import sra1_step

METHODS = {"euler_maruyama": 1, "sra1": 2}


def interpolant_sde(
    init: Callable[..., Any],
    between: Interpolant,
    velocity: Callable[..., jax.Array],
    score: Callable[..., jax.Array],
    num_steps: int,
    *,
    diffusion: Schedule | None = None,
    method: str = "sra1",
    reverse: bool = False,
) -> Transform:
    """`dX = (velocity + D score) dt + sqrt(2 D) dW` from x_0 at t = 0 to x_1 at t = 1 on `num_steps` equal steps (2303.08797, corollary 2.18).

    velocity and score, `(params, x (d,), t, cond=None) -> (d,)`, are what `objectives.interpolant_matching` trains; any D >= 0 has the
    interpolant's marginals, and D = 0 is the ODE.

    Base: `bases.joint({"x0": source, "increments": bases.normal((num_steps, *event))})`, with a further "areas" as the increments for "sra1".
    diffusion: `t -> D`, by default `between.variance`, gamma^2, which vanishes at both ends as fast as a score learnt from noise grows.
    method: "euler_maruyama", or "sra1" of strong order 1.5 with two evaluations a step (see `stochastic_runge_kutta`).
    reverse: from x_1 to x_0 instead, by the SDE `(-velocity + D score) dt` in the time 1 - t (corollary 2.18); "x0" is then where that starts.

    IMPLICIT. Raises ValueError for an unknown method, a count below one, or an interpolant without noise and no `diffusion`.
    """
    checks.count("interpolant_sde: num_steps", num_steps)
    if method not in METHODS:
        raise ValueError(f"interpolant_sde: method={method!r}; accepted: {', '.join(METHODS)}.")
    if diffusion is None and between.variance is jnp.zeros_like:
        raise ValueError("interpolant_sde: diffusion=None and the interpolant has no noise; accepted: a function of t, or variance=.")
    forth = between.variance if diffusion is None else diffusion
    # In the time 1 - t the velocity has the other sign and the score has not.
    spread = (lambda t: forth(1 - t)) if reverse else forth
    ahead = mirrored(lambda params, x, t, cond: -velocity(params, x, t, cond)) if reverse else velocity
    run = functools.partial(_run, _Sde(ahead, mirrored(score) if reverse else score, spread, num_steps, method))
    nfe = METHODS[method] * num_steps
    return Transform(
        lambda key, z, cond=None: init(key, z["x0"], cond),
        lambda params, z, cond=None: run(params, z, cond)[0],
        parts={
            "velocity": velocity,
            "score": score,
            "stages": lambda params, z, cond=None: run(params, z, cond)[1],
            "nfe": lambda params, z, cond=None: nfe,
        },
        note="no density: the interpolant's noise passes through the network.",
    )


class _Sde(NamedTuple):
    """`dX = (velocity + spread score) dt + sqrt(2 spread) dW`, and how it is solved."""

    velocity: Callable[..., jax.Array]
    score: Callable[..., jax.Array]
    spread: Schedule
    num_steps: int
    method: str


def _run(sde: _Sde, params: Any, z: Any, cond: Any) -> tuple[jax.Array, jax.Array]:
    """The last state, and all of them `(num_steps, *event)`."""
    ts = jnp.linspace(0.0, 1.0, sde.num_steps + 1, dtype=z["x0"].dtype)
    h = jnp.asarray(1 / sde.num_steps, ts.dtype)
    plain = sde.method == "euler_maruyama"

    def drift(x: jax.Array, t: jax.Array) -> jax.Array:
        return sde.velocity(params, x, t, cond) + sde.spread(t) * sde.score(params, x, t, cond)

    def g2(t: jax.Array) -> jax.Array:
        # The last step's end may round to beyond 1, where gamma^2 is negative.
        return 2 * jnp.maximum(sde.spread(t), 0)

    def step(x: jax.Array, inputs: Any) -> Any:
        t, u = inputs[:2]
        x = x + h * drift(x, t) + jnp.sqrt(h * g2(t)) * u if plain else sra1_step(drift, g2, x, t, h, u, inputs[2])
        return x, x

    noises = (z["increments"],) if plain else (z["increments"], z["areas"])
    return jax.lax.scan(step, z["x0"], (ts[:-1], *noises))
