"""A bijection from functions of a few named arrays `theta`, which are params, or params plus a network's output for the condition."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets import Net
from jaxgen.transform import Preimage, Transform, bijection
from jaxgen.types import Cond, Event, Key, Noise, Params

Theta = dict[str, jax.Array]
LogDetMap = Callable[[Theta, jax.Array], tuple[jax.Array, jax.Array]]


def amortised(
    start: Callable[[Key, jax.Array], Theta],
    forward: LogDetMap,
    inverse: LogDetMap,
    net: Callable[[int], Net] | None,
    heads: Sequence[str],
) -> Transform:
    """Build a bijection of events `(d,)` from functions of `theta`, a dict of arrays that a condition can move.

    Args:
        start: `(key, z) -> theta`.
        forward: `(theta, z) -> (x, log|det J_forward|)`.
        inverse: `(theta, x) -> (z, log|det J_inverse|)`.
        net: `net(num_outputs)` returns the network of the condition. None, or no condition, leaves `theta` unmoved.
        heads: The names of the arrays that the network moves, each by a slice of the output of the array's size, in this order.

    Returns:
        An EXACT transform. Its params are `{"theta": ...}`; with both a `net` and a condition there is `"net"` too.

    >>> shift = amortised(
    ...     lambda key, z: {"loc": jnp.ones_like(z)},
    ...     lambda theta, z: (z + theta["loc"], jnp.zeros(())),
    ...     lambda theta, x: (x - theta["loc"], jnp.zeros(())),
    ...     None,
    ...     ("loc",),
    ... )
    >>> shift.forward(shift.init(jax.random.key(0), jnp.zeros(2)), jnp.zeros(2)).tolist()
    [1.0, 1.0]
    """

    def sizes(theta: Theta) -> list[int]:
        return [math.prod(theta[name].shape) for name in heads]

    def as_vector(cond: jax.Array | np.ndarray, z: jax.Array) -> jax.Array:
        return jnp.ravel(cond).astype(z.dtype)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        key_theta, key_net = jax.random.split(key)
        theta = start(key_theta, z)
        if net is None or cond is None:
            return {"theta": theta}
        return {"theta": theta, "net": net(sum(sizes(theta))).init(key_net, as_vector(cond, z))}

    def theta_of(params: Params, z: jax.Array, cond: Cond) -> Theta:
        theta = params["theta"]
        if net is None or cond is None:
            return theta
        num = sizes(theta)
        moves, at = net(sum(num)).apply(params["net"], as_vector(cond, z)), 0
        for name, size in zip(heads, num, strict=True):
            theta = {**theta, name: theta[name] + moves[at : at + size].reshape(theta[name].shape)}
            at += size
        return theta

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        return forward(theta_of(params, z, cond), z)

    def inverse_of_event(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        return Preimage(*inverse(theta_of(params, x, cond), x))

    return bijection(init, forward_and_log_det, inverse_of_event)


def above_minus_one(a: jax.Array, floor: float = 1e-3) -> jax.Array:
    """Map the line smoothly and increasingly onto `(floor - 1, inf)`; the map is the identity for `a >= 0`.

    It holds `1 + h' a` positive for `0 <= h' <= 1`. Unlike `softplus(a) - 1` (arXiv 1505.05770, A.1) it fixes zero, so that a correction
    proportional to `above_minus_one(a) - a` vanishes when none is needed. The floor prevents rounding from reaching -1.

    Args:
        a: Any numbers.
        floor: The distance of the image from -1.

    Returns:
        The images, shaped as `a`.
    """
    room = 1 - floor
    return jnp.where(a >= 0, a, room * jnp.expm1(jnp.minimum(a, 0) / room))
