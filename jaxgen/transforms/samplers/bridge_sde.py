"""A diffusion between two data sets as a sampler, forward or backward: each direction's chain is the other's inverse."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths import velocity_and_score
from jaxgen.transform import Density, Preimage, Transform

METHODS = {"euler_maruyama": 1, "heun": 2}
Field = Callable[..., jax.Array]


class _Bridge(NamedTuple):
    """What is simulated and how; the functions below that take it first are the transform's. `back` drives the chain that undoes `ahead`'s."""

    ahead: Field
    back: Field
    sigma: float
    num_steps: int
    method: str

    def grid(self, dtype: Any) -> tuple[jax.Array, jax.Array]:
        """Where each step starts and where it ends."""
        ts = _times(self.num_steps, dtype)
        return ts[:-1], ts[1:]

    def spread(self, t: jax.Array, s: jax.Array) -> jax.Array:
        return jnp.asarray(self.sigma, t.dtype) * jnp.sqrt(s - t)


def bridge_sde(
    init: Callable[..., Any],
    drift: Field,
    backward_drift: Field,
    sigma: float,
    num_steps: int,
    *,
    reverse: bool = False,
    method: str = "euler_maruyama",
) -> Transform:
    """`dX = drift dt + sigma dW` from the source at t = 0 to the data at t = 1, in steps that shorten towards both ends.

    drift, backward_drift: `(params, x (d,), t, cond=None) -> (d,)`, as `objectives.bridge_matching` trains them; `paths.drifts` makes them of
        a velocity and a score. The backward one drives the same process from the data to the source, in the time 1 - t.
    Base: `bases.joint({"x0": where it starts, "increments": bases.normal((num_steps, *event))})`.
    reverse: from the data to the source instead; "x0" is then a point of the data, and its base a `bases.data_set` of them.
    method: "euler_maruyama", whose steps are Gaussian: the inverse draws the other direction's chain (`log_q`) and reads the increments off,
        so the density is a variational bound (LOWER_BOUND), tight for a bridge in the limit of small steps. "heun", of weak order two with
        two evaluations a step, is IMPLICIT.

    The times, the part `times (params) -> (num_steps + 1,)`, are `sin^2(pi k / (2 num_steps))`: the noise that Euler's last step leaves has
    deviation `pi sigma / (2 num_steps)`. Raises ValueError for an unknown method or a number it cannot use.
    """
    checks.count("bridge_sde: num_steps", num_steps)
    if method not in METHODS:
        raise ValueError(f"bridge_sde: method={method!r}; accepted: {', '.join(METHODS)}.")
    velocity, score = velocity_and_score(drift, backward_drift, sigma)
    ahead, back = (mirrored(backward_drift), mirrored(drift)) if reverse else (drift, backward_drift)

    bridge = _Bridge(ahead, back, sigma, num_steps, method)
    gaussian = method == "euler_maruyama"
    return Transform(
        lambda key, z, cond=None: init(key, z["x0"], cond),
        lambda params, z, cond=None: _run(bridge, params, z, cond)[0],
        functools.partial(_inverse, bridge) if gaussian else None,
        None,
        Density.LOWER_BOUND if gaussian else Density.IMPLICIT,
        {
            "drift": drift,
            "backward_drift": backward_drift,
            "velocity": velocity,
            "score": score,
            "stages": lambda params, z, cond=None: _run(bridge, params, z, cond)[1],
            "times": lambda params: _times(num_steps),
            "nfe": lambda params, z, cond=None: METHODS[method] * num_steps,
        },
        note="" if gaussian else "no density: the noise within a step passes through the network.",
    )


def mirrored(field: Field) -> Field:
    """The field in the time 1 - t."""
    return lambda params, x, t, cond=None: field(params, x, 1 - t, cond)


def _times(num_steps: int, dtype: Any = None) -> jax.Array:
    return jnp.sin(0.5 * jnp.pi * jnp.linspace(0.0, 1.0, num_steps + 1, dtype=dtype)) ** 2


def _run(bridge: _Bridge, params: Any, z: Any, cond: Any) -> tuple[jax.Array, jax.Array]:
    """The last state, and all of them `(num_steps, *event)`."""

    def step(x: jax.Array, inputs: Any) -> Any:
        t, s, increment = inputs
        rate, noise = bridge.ahead(params, x, t, cond), bridge.spread(t, s) * increment
        if bridge.method == "heun":
            rate = 0.5 * (rate + bridge.ahead(params, x + (s - t) * rate + noise, s, cond))
        x = x + (s - t) * rate + noise
        return x, x

    return jax.lax.scan(step, z["x0"], (*bridge.grid(z["x0"].dtype), z["increments"]))


def _inverse(bridge: _Bridge, params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
    if key is None:
        raise ValueError("bridge_sde.inverse: key=None; the way back is drawn, give a key such as jax.random.key(0).")

    def step(carry: Any, inputs: Any) -> Any:
        x_s, log_q, log_det = carry
        t, s, noise = inputs
        sd = bridge.spread(t, s)
        x_t = x_s + (s - t) * bridge.back(params, x_s, s, cond) + sd * noise
        log_q = log_q - 0.5 * jnp.sum(noise**2) - x.size * (0.5 * math.log(2 * math.pi) + jnp.log(sd))
        increment = (x_s - x_t - (s - t) * bridge.ahead(params, x_t, t, cond)) / sd
        return (x_t, log_q, log_det - x.size * jnp.log(sd)), increment

    zero = jnp.zeros((), x.dtype)
    noises = jax.random.normal(key, (bridge.num_steps, *x.shape), x.dtype)
    (x0, log_q, log_det), increments = jax.lax.scan(step, (x, zero, zero), (*bridge.grid(x.dtype), noises), reverse=True)
    return Preimage({"x0": x0, "increments": increments}, log_det, log_q)
