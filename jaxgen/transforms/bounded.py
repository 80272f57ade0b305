"""Bijections without params onto bounded supports: the positive numbers, an interval, the simplex.

Outside the support the log density is -inf and every gradient is finite. A sample that rounding put on the boundary counts as inside, at
the distance of half a unit in the last place, so that a model's samples have a finite density however saturated they are.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxgen.transform import Preimage, Transform, bijection, no_params


def onto_positive() -> Transform:
    """Build the softplus map `x = log(1 + exp(z))` onto the positive numbers; for large `z` it is the identity.

    Returns:
        An EXACT transform of events of any shape, without params.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> transforms.onto_positive().forward((), jnp.asarray([-100.0, 0.0, 100.0])).round(3).tolist()
    [0.0, 0.693, 100.0]
    """

    def forward_and_log_det(z: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.nn.softplus(z), jnp.sum(jax.nn.log_sigmoid(z))

    def inverse(x: jax.Array) -> Preimage:
        outside = (x < 0) | (x == jnp.inf)
        x = _at_least(jnp.where(outside, 1, x), _smallest(x))
        log_rest = jnp.log(-jnp.expm1(-x))
        return Preimage(x + log_rest, _supported(outside, -jnp.sum(log_rest)))

    return _without_params(forward_and_log_det, inverse)


def onto_interval(low: ArrayLike = 0.0, high: ArrayLike = 1.0, by: str = "sigmoid") -> Transform:
    """Build a map onto the interval from `low` to `high`, elementwise.

    Args:
        low: Lower ends, in the units of the data. They are broadcast to the event.
        high: Upper ends, in the units of the data. They are broadcast to the event.
        by: "sigmoid" for `x = low + (high - low) sigmoid(z)`; "tanh" for `x = (low + high) / 2 + (high - low) / 2 tanh(z)`.

    Returns:
        An EXACT transform of events of any shape, without params.

    Raises:
        ValueError: A bound is not finite, `low < high` does not hold, or `by` is unknown.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> transforms.onto_interval(-1.0, 3.0).forward((), jnp.asarray([-100.0, 0.0, 100.0])).tolist()
    [-1.0, 1.0, 3.0]
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if not np.isfinite(low).all():
        raise ValueError(f"onto_interval: low={low.tolist()!r}; accepted: finite numbers.")
    if not (np.isfinite(high).all() and np.all(low < high)):
        raise ValueError(f"onto_interval: high={high.tolist()!r}; accepted: finite numbers above low={low.tolist()!r}.")
    if by not in ("sigmoid", "tanh"):
        raise ValueError(f"onto_interval: by={by!r}; accepted: 'sigmoid', 'tanh'.")
    # tanh(z) = 2 sigmoid(2 z) - 1, and the sigmoid is exact near both of its ends.
    speed = 2.0 if by == "tanh" else 1.0

    def bounds(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        a, b = (jnp.broadcast_to(jnp.asarray(c, x.dtype), x.shape) for c in (low, high))
        return a, b, b - a

    def forward_and_log_det(z: jax.Array) -> tuple[jax.Array, jax.Array]:
        a, b, width = bounds(z)
        u = speed * z
        # From the nearer end, so that rounding cannot step over either.
        x = jnp.where(u < 0, a + width * jax.nn.sigmoid(u), b - width * jax.nn.sigmoid(-u))
        return x, jnp.sum(jnp.log(speed * width) + jax.nn.log_sigmoid(u) + jax.nn.log_sigmoid(-u))

    def inverse(x: jax.Array) -> Preimage:
        a, b, width = bounds(x)
        outside = (x < a) | (x > b)
        x = jnp.where(outside, a + 0.5 * width, x)
        half = 0.5 * float(jnp.finfo(x.dtype).epsneg)
        below, above = (_at_least(gap, jnp.maximum(half * jnp.abs(end), _smallest(x))) for gap, end in ((x - a, a), (b - x, b)))
        z = (jnp.log(below) - jnp.log(above)) / speed
        return Preimage(z, _supported(outside, jnp.sum(jnp.log(width / speed) - jnp.log(below) - jnp.log(above))))

    return _without_params(forward_and_log_det, inverse)


def onto_simplex() -> Transform:
    """Build the stick-breaking map from `(d,)` to the simplex in `(d + 1,)`.

    `x_i` is the share `sigmoid(z_i - log(d + 1 - i))` of what the coordinates before it left over, and `z = 0` is the centre. The density
    is with respect to the free coordinates `x_1 .. x_d`: the last one is one minus their sum.

    Returns:
        An EXACT transform without params. Data off the simplex by more than the square root of a rounding error have log density -inf.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> transforms.onto_simplex().forward((), jnp.zeros(3)).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    def centred(z: jax.Array) -> jax.Array:
        return z - jnp.asarray(np.log(np.arange(z.shape[0], 0, -1)), z.dtype)

    def forward_and_log_det(z: jax.Array) -> tuple[jax.Array, jax.Array]:
        log_share, log_left = jax.nn.log_sigmoid(centred(z)), jax.nn.log_sigmoid(-centred(z))
        zero = jnp.zeros((1,), z.dtype)
        log_rest = jnp.concatenate([zero, jnp.cumsum(log_left)])
        x = jnp.exp(log_rest + jnp.concatenate([log_share, zero]))
        return x, jnp.sum(log_share + log_left + log_rest[:-1])

    def inverse(x: jax.Array) -> Preimage:
        outside = jnp.any(x < 0) | (jnp.abs(jnp.sum(x) - 1) > math.sqrt(float(jnp.finfo(x.dtype).eps)))
        x = _at_least(jnp.where(outside, 1 / x.shape[0], x), _smallest(x))
        # The rest after each coordinate, summed from the far end, where the small ones are exact.
        left = jnp.cumsum(x[::-1])[::-1][1:]
        log_x, log_left = jnp.log(x[:-1]), jnp.log(left)
        offset = -centred(jnp.zeros_like(log_x))
        log_rest = jnp.log(x[:-1] + left)
        return Preimage(log_x - log_left + offset, _supported(outside, jnp.sum(log_rest - log_x - log_left)))

    return _without_params(forward_and_log_det, inverse)


def _without_params(
    forward_and_log_det: Callable[[jax.Array], tuple[jax.Array, jax.Array]], inverse: Callable[[jax.Array], Preimage]
) -> Transform:
    return bijection(
        no_params,
        lambda params, z, cond=None: forward_and_log_det(z),
        lambda params, x, cond=None, key=None: inverse(x),
    )


def _at_least(x: jax.Array, least: jax.Array | float) -> jax.Array:
    # Not `maximum`, whose derivative at equality is one half.
    return jnp.where(x < least, jnp.asarray(least, x.dtype), x)


def _smallest(x: jax.Array) -> float:
    # Far enough above underflow that a gradient, some hundred times its reciprocal, does not overflow.
    return float(jnp.finfo(x.dtype).tiny) ** 0.9


def _supported(outside: jax.Array, log_det: jax.Array) -> jax.Array:
    # Asked as "outside" so that NaN, which answers no to every comparison, stays NaN instead of becoming -inf.
    return jnp.where(jnp.any(outside), -jnp.inf, log_det)
