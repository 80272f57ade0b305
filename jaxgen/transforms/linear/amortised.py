"""A transform from functions of a few named arrays `theta`, which are params, or params plus a network's output for the condition."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.transform import Density, Preimage, Transform

Theta = dict[str, jax.Array]
LogDetMap = Callable[[Theta, jax.Array], tuple[jax.Array, jax.Array]]


def amortised(
    start: Callable[[jax.Array, jax.Array], Theta],
    forward: LogDetMap,
    inverse: LogDetMap,
    net: Callable[[int], Net] | None,
    heads: Sequence[str],
) -> Transform:
    """The bijection `forward(theta, z) -> (x, log_det)` of events `(d,)` with `inverse(theta, x) -> (z, log_det)`.

    start: `(key, z) -> theta`, a dict of arrays. params: `{"theta": ...}`; where there are both a `net` and a condition also `"net"`, and
    then the entries of theta named by `heads` are moved by `net(num_outputs)` of the condition. A `net` without a condition is not used.
    """

    def sizes(theta: Any) -> list[int]:
        return [math.prod(theta[name].shape) for name in heads]

    def seen(z: jax.Array, cond: Any) -> jax.Array:
        return jnp.ravel(cond).astype(z.dtype)

    def init(key: jax.Array, z: jax.Array, cond: Any = None) -> Any:
        key_theta, key_net = jax.random.split(key)
        theta = start(key_theta, z)
        if net is None or cond is None:
            return {"theta": theta}
        return {"theta": theta, "net": net(sum(sizes(theta))).init(key_net, seen(z, cond))}

    def theta_of(params: Any, z: jax.Array, cond: Any) -> Theta:
        theta = params["theta"]
        if net is None or cond is None:
            return theta
        num = sizes(theta)
        moves, at = net(sum(num)).apply(params["net"], seen(z, cond)), 0
        for name, size in zip(heads, num, strict=True):
            theta = {**theta, name: theta[name] + moves[at : at + size].reshape(theta[name].shape)}
            at += size
        return theta

    return Transform(
        init,
        lambda params, z, cond=None: forward(theta_of(params, z, cond), z)[0],
        lambda params, x, cond=None, key=None: Preimage(*inverse(theta_of(params, x, cond), x)),
        lambda params, z, cond=None: forward(theta_of(params, z, cond), z),
        Density.EXACT,
    )


def check_count(what: str, name: str, value: Any) -> None:
    """ValueError unless `value` is an integer of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{what}: {name}={value!r}; accepted: an integer of at least 1.")


def above_minus_one(a: jax.Array, floor: float = 1e-3) -> jax.Array:
    """A smooth increasing map of the line onto `(floor - 1, inf)`, the identity for `a >= 0`.

    It is what keeps `1 + h' a` positive for `0 <= h' <= 1`. Unlike `softplus(a) - 1` (arXiv 1505.05770, A.1) it fixes zero, so that a
    correction proportional to `above_minus_one(a) - a` vanishes where none is needed; and the floor keeps rounding from reaching -1.
    """
    room = 1 - floor
    return jnp.where(a >= 0, a, room * jnp.expm1(jnp.minimum(a, 0) / room))
