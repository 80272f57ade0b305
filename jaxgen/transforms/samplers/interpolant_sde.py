"""The SDE of a stochastic interpolant on a fixed grid, from one data set to another (arXiv 2303.08797, section 2.3)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths import Interpolant
from jaxgen.paths.path import Schedule
from jaxgen.transform import Field, Hooks, Init, Maps, Transform, field_part
from jaxgen.transforms.samplers.bridge_sde import mirrored
from jaxgen.transforms.samplers.noise_sampler import sra1_step
from jaxgen.types import Cond, Noise, Params

METHODS = {"euler_maruyama": 1, "sra1": 2}


def interpolant_sde(
    init: Init,
    between: Interpolant,
    velocity: Field,
    score: Field,
    num_steps: int,
    *,
    diffusion: Schedule | None = None,
    method: str = "sra1",
    reverse: bool = False,
) -> Transform:
    """Simulate `dX = (velocity + D score) dt + sqrt(2 D) dW` from x_0 at t = 0 to x_1 at t = 1 on equal steps.

    Any D >= 0 has the interpolant's marginals, and D = 0 is the ODE. The interpolant's noise passes through the network, so the density is
    IMPLICIT.

    Args:
        init: `(key, z, cond=None) -> params`.
        between: The interpolant.
        velocity: `(params, x, t, cond=None) -> rate`, as `objectives.interpolant_matching` trains it.
        score: `(params, x, t, cond=None) -> score`, trained by the same objective.
        num_steps: How many steps.
        diffusion: `t -> D`, by default gamma^2, `between.variance`, which vanishes at both ends as fast as a score learnt from noise grows.
        method: "euler_maruyama", or "sra1" of strong order 1.5 with two evaluations a step (see `stochastic_runge_kutta`).
        reverse: Go from x_1 to x_0 instead, by the SDE `(-velocity + D score) dt` in the time 1 - t; "x0" is then where that starts.

    Returns:
        A transform of the base `bases.joint({"x0": source, "increments": bases.normal((num_steps, *event))})`, with a further "areas"
        shaped as the increments for "sra1".

    Raises:
        ValueError: `method` is unknown, `num_steps` is below 1, or the interpolant has no noise and `diffusion` is None.

    Source: arXiv 2303.08797, corollary 2.18.

    >>> import jax.numpy as jnp, jaxgen
    >>> still = lambda params, x, t, cond=None: jnp.zeros_like(x)
    >>> between = jaxgen.paths.interpolant()
    >>> sde = interpolant_sde(lambda key, z, cond=None: (), between, still, still, 2, diffusion=jnp.zeros_like, method="euler_maruyama")
    >>> sde.forward((), {"x0": jnp.ones(1), "increments": jnp.ones((2, 1))}).tolist()
    [1.0]
    """
    checks.count("interpolant_sde: num_steps", num_steps)
    if method not in METHODS:
        raise ValueError(f"interpolant_sde: method={method!r}; accepted: {', '.join(METHODS)}.")
    forth = between.variance if diffusion is None else diffusion
    if forth is None:
        raise ValueError("interpolant_sde: diffusion=None and the interpolant has no noise; accepted: a function of t, or variance=.")
    # In the time 1 - t the velocity has the other sign and the score has not.
    diffusion = (lambda t: forth(1 - t)) if reverse else forth
    ahead = mirrored(lambda params, x, t, cond=None: -velocity(params, x, t, cond)) if reverse else velocity
    sde = _Sde(ahead, mirrored(score) if reverse else score, diffusion, num_steps, method)
    return Transform(
        lambda key, z, cond=None: init(key, z["x0"], cond),
        Maps(lambda params, z, cond=None: sde.run(params, z, cond)[0]),
        hooks=Hooks(lambda params, z, cond=None: sde.run(params, z, cond)[1], lambda params, z, cond=None: METHODS[method] * num_steps),
        parts={"velocity": field_part(velocity), "score": field_part(score)},
    )


@dataclass(frozen=True)
class _Sde:
    """`dX = (velocity + D score) dt + sqrt(2 D) dW`, and how it is solved."""

    velocity: Field
    score: Field
    diffusion: Schedule
    num_steps: int
    method: str

    def run(self, params: Params, z: Noise, cond: Cond) -> tuple[jax.Array, jax.Array]:
        """The sample, and all states after the first, `(num_steps, *event)`: apart, so that sampling keeps no states."""
        ts = jnp.linspace(0.0, 1.0, self.num_steps + 1, dtype=z["x0"].dtype)
        h = jnp.asarray(1 / self.num_steps, ts.dtype)
        plain = self.method == "euler_maruyama"

        def drift(x: jax.Array, t: jax.Array) -> jax.Array:
            return self.velocity(params, x, t, cond) + self.diffusion(t) * self.score(params, x, t, cond)

        def step(x: jax.Array, inputs: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
            t, u = inputs[:2]
            x = x + h * drift(x, t) + jnp.sqrt(h * self._g2(t)) * u if plain else sra1_step(drift, self._g2, x, t, h, u, inputs[2])
            return x, x

        noises = (z["increments"],) if plain else (z["increments"], z["areas"])
        return jax.lax.scan(step, z["x0"], (ts[:-1], *noises))

    def _g2(self, t: jax.Array) -> jax.Array:
        # The last step's end may round to beyond 1, where gamma^2 is negative.
        return 2 * jnp.maximum(self.diffusion(t), 0)
