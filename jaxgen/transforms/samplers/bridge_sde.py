"""A diffusion between two data sets as a sampler, forward or backward: each direction's chain is the other's inverse."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths import velocity_and_score
from jaxgen.transform import Density, Field, Hooks, Init, Maps, Part, Preimage, Transform, field_part, require_key
from jaxgen.types import Cond, DTypeLike, Key, Noise, Params, PyTree

METHODS = {"euler_maruyama": 1, "heun": 2}


def bridge_sde(
    init: Init,
    drift: Field,
    backward_drift: Field,
    sigma: float,
    num_steps: int,
    *,
    reverse: bool = False,
    method: str = "euler_maruyama",
) -> Transform:
    """Simulate `dX = drift dt + sigma dW` from the source at t = 0 to the data at t = 1, in steps that shorten towards both ends.

    The times, the part `times(params) -> (num_steps + 1,)`, are `sin^2(pi k / (2 num_steps))`: the noise that Euler's last step leaves has
    the standard deviation `pi sigma / (2 num_steps)`.

    Args:
        init: `(key, z, cond=None) -> params`.
        drift: `(params, x, t, cond=None) -> rate`, as `objectives.bridge_matching` trains it; `paths.drifts` makes both drifts out of a
            velocity and a score.
        backward_drift: Drives the same process from the data to the source, in the time 1 - t.
        sigma: The standard deviation of the noise in unit time.
        num_steps: How many steps.
        reverse: Go from the data to the source instead. "x0" is then a point of the data, and its base a `bases.data_set` of them.
        method: "euler_maruyama", whose steps are Gaussian: the inverse draws the other direction's chain (`log_q`) and reads the increments
            off, so the density is a variational bound, tight for a bridge in the limit of small steps. "heun", of weak order two with two
            evaluations a step, is IMPLICIT, because the noise within a step passes through the network.

    Returns:
        A transform of the base `bases.joint({"x0": where it starts, "increments": bases.normal((num_steps, *event))})`.

    Raises:
        ValueError: `method` is unknown, or `num_steps` is below 1.

    >>> import jax.numpy as jnp
    >>> still = lambda params, x, t, cond=None: jnp.zeros_like(x)
    >>> walk = bridge_sde(lambda key, z, cond=None: (), still, still, 1.0, 2)
    >>> walk.forward((), {"x0": jnp.ones(1), "increments": jnp.zeros((2, 1))}).tolist()
    [1.0]
    """
    checks.count("bridge_sde: num_steps", num_steps)
    if method not in METHODS:
        raise ValueError(f"bridge_sde: method={method!r}; accepted: {', '.join(METHODS)}.")
    velocity, score = velocity_and_score(drift, backward_drift, sigma)
    ahead, back = (mirrored(backward_drift), mirrored(drift)) if reverse else (drift, backward_drift)
    bridge = _Bridge(ahead, back, sigma, num_steps, method)
    gaussian = method == "euler_maruyama"
    fields = {"drift": drift, "backward_drift": backward_drift, "velocity": velocity, "score": score}
    return Transform(
        lambda key, z, cond=None: init(key, z["x0"], cond),
        Maps(lambda params, z, cond=None: bridge.run(params, z, cond)[0], bridge.inverse if gaussian else None),
        Density.LOWER_BOUND if gaussian else Density.IMPLICIT,
        hooks=Hooks(lambda params, z, cond=None: bridge.run(params, z, cond)[1], lambda params, z, cond=None: METHODS[method] * num_steps),
        parts={"times": Part(bridge.times), **{name: field_part(field) for name, field in fields.items()}},
    )


def mirrored(field: Field) -> Field:
    """Return the field in the time 1 - t."""
    return lambda params, x, t, cond=None: field(params, x, 1 - t, cond)


@dataclass(frozen=True)
class _Bridge:
    """What is simulated and how; `back` drives the chain that undoes `ahead`'s."""

    ahead: Field
    back: Field
    sigma: float
    num_steps: int
    method: str

    def times(self, params: Params = (), cond: Cond = None, dtype: DTypeLike | None = None) -> jax.Array:
        """Where steps start and end, `(num_steps + 1,)`."""
        return jnp.sin(0.5 * jnp.pi * jnp.linspace(0.0, 1.0, self.num_steps + 1, dtype=dtype)) ** 2

    def run(self, params: Params, z: Noise, cond: Cond) -> tuple[jax.Array, jax.Array]:
        """The sample, and all states after the first, `(num_steps, *event)`: apart, so that sampling keeps no states."""

        def step(x: jax.Array, inputs: PyTree) -> tuple[jax.Array, jax.Array]:
            t, s, increment = inputs
            rate, noise = self.ahead(params, x, t, cond), self._deviation(t, s) * increment
            if self.method == "heun":
                rate = 0.5 * (rate + self.ahead(params, x + (s - t) * rate + noise, s, cond))
            x = x + (s - t) * rate + noise
            return x, x

        return jax.lax.scan(step, z["x0"], (*self._grid(z["x0"]), z["increments"]))

    def inverse(self, params: Params, x: jax.Array, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        """Increments read off a drawn chain of the other direction."""

        def step(carry: PyTree, inputs: PyTree) -> tuple[PyTree, jax.Array]:
            x_s, log_q, log_det = carry
            t, s, noise = inputs
            sd = self._deviation(t, s)
            x_t = x_s + (s - t) * self.back(params, x_s, s, cond) + sd * noise
            log_q = log_q - 0.5 * jnp.sum(noise**2) - x.size * (0.5 * math.log(2 * math.pi) + jnp.log(sd))
            increment = (x_s - x_t - (s - t) * self.ahead(params, x_t, t, cond)) / sd
            return (x_t, log_q, log_det - x.size * jnp.log(sd)), increment

        zero = jnp.zeros((), x.dtype)
        noises = jax.random.normal(require_key("bridge_sde", key, "the way back is drawn"), (self.num_steps, *x.shape), x.dtype)
        (x0, log_q, log_det), increments = jax.lax.scan(step, (x, zero, zero), (*self._grid(x), noises), reverse=True)
        return Preimage({"x0": x0, "increments": increments}, log_det, log_q)

    def _grid(self, like: jax.Array) -> tuple[jax.Array, jax.Array]:
        ts = self.times(dtype=like.dtype)
        return ts[:-1], ts[1:]

    def _deviation(self, t: jax.Array, s: jax.Array) -> jax.Array:
        return jnp.asarray(self.sigma, t.dtype) * jnp.sqrt(s - t)
