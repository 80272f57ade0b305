"""The coupling transform: some coordinates, unchanged, say how the others are mapped (arXiv 1410.8516, 1605.08803)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets import Net
from jaxgen.transform import Hooks, Preimage, Transform, bijection, bijective
from jaxgen.transforms.scalars.scalar import Scalar
from jaxgen.types import Cond, Event, Key, Noise, Params

Split = Callable[[Event], tuple[jax.Array, jax.Array]]
Join = Callable[[jax.Array, jax.Array], Event]

# From this many mapped coordinates on they fill a vector register, and bijectors run over them. Below, over the events of a batch, which
# then is the last axis: at 32 coordinates a spline flow would be a fifth as fast that way (`benchmarks/flows.py --only "rqs D64"`).
WIDE = 16


def coupling(scalar: Scalar, net: Callable[[int], Net], mask: Sequence[bool] | None = None) -> Transform:
    """Build a coupling layer: some coordinates pass unchanged and say how the others are mapped.

    The Jacobian is triangular, so the density is exact and each direction costs one network evaluation. If no coordinate passes, as for
    d = 1, the network sees a constant zero and the condition.

    Args:
        scalar: The bijection of one number that maps each remaining coordinate.
        net: `net(num_outputs)` returns the network that reads the passing coordinates and the condition.
        mask: One bool for each coordinate of the event `(d,)`; True marks a coordinate that passes. None marks the first `d // 2`.

    Returns:
        An EXACT transform of events `(d,)`, whose params are the network's.

    Raises:
        ValueError: `mask` has another length than the event, or leaves no coordinate to map.

    Source: arXiv 1410.8516; arXiv 1605.08803, section 3.

    >>> import jax, jax.numpy as jnp, jaxgen
    >>> layer = coupling(jaxgen.transforms.scale_and_shift(), lambda out: jaxgen.nets.mlp(out, width=4, depth=1))
    >>> z = jnp.asarray([1.0, 2.0])
    >>> x = layer.forward(layer.init(jax.random.key(0), z), z)
    >>> float(x[0])
    1.0
    """
    return couple(scalar, net, *(_halves() if mask is None else _selections(mask)))


def couple(scalar: Scalar, net: Callable[[int], Net], split: Split, join: Join) -> Transform:
    """Build the coupling of events of any structure.

    Args:
        scalar: The bijection of one number.
        net: `net(num_outputs)` returns the network of the passing part.
        split: `split(event) -> (passing, mapped (m,))`.
        join: `join(passing, mapped) -> event`, the inverse of `split`.

    Returns:
        An EXACT transform, whose params are the network's.

    >>> import jax, jax.numpy as jnp, jaxgen
    >>> layer = couple(
    ...     jaxgen.transforms.scale_and_shift(), lambda num: jaxgen.nets.mlp(num, width=4), lambda x: (x["a"], x["b"]), lambda a, b: {"a": a, "b": b}
    ... )
    >>> z = {"a": jnp.ones(2), "b": jnp.ones(1)}
    >>> layer.forward(layer.init(jax.random.key(0), z), z)["a"].tolist()
    [1.0, 1.0]
    """

    def conditioner(rest: jax.Array) -> Net:
        return net(rest.shape[0] * scalar.num_params)

    def visible(same: jax.Array) -> jax.Array:
        return same if same.shape[0] else jnp.zeros((1,), same.dtype)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        same, rest = split(z)
        return conditioner(rest).init(key, visible(same), cond)

    def apply(function: Any, params: Params, x: Event, cond: Cond) -> tuple[Event, jax.Array]:
        same, rest = split(x)
        theta = conditioner(rest).apply(params, visible(same), cond).reshape(scalar.num_params, -1)
        y, log_det = scalar.over(function)(theta, rest)
        return join(same, y), jnp.sum(log_det)

    def apply_batch(function: Any, params: Params, x: Event, cond: Cond) -> tuple[Event, jax.Array]:
        if split(jax.tree.map(lambda a: a[0], x))[1].size >= WIDE:
            return jax.vmap(partial(apply, function, params))(x, cond)
        same, rest = jax.vmap(split, out_axes=(0, 1))(x)
        net = conditioner(rest)
        theta = jax.vmap(lambda s, c: net.apply(params, visible(s), c), out_axes=1)(same, cond)
        y, log_det = scalar.over(function)(theta.reshape(scalar.num_params, *rest.shape), rest)
        return jax.vmap(join, (0, 1))(same, y), jnp.sum(log_det, 0)

    def maps(apply: Any) -> Any:
        return (
            lambda params, z, cond=None: apply(scalar.forward, params, z, cond),
            lambda params, x, cond=None, key=None: Preimage(*apply(scalar.inverse, params, x, cond)),
        )

    return bijection(init, *maps(apply), many=bijective(*maps(apply_batch)), hooks=Hooks(nfe=lambda params, z, cond=None: 1))


def _halves() -> tuple[Split, Join]:
    # Slices, which XLA fuses, where a general mask needs gathers.
    def split(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        half = x.shape[0] // 2
        return x[:half], x[half:]

    return split, lambda same, rest: jnp.concatenate([same, rest])


def _selections(mask: Sequence[bool]) -> tuple[Split, Join]:
    marked = np.asarray(mask)
    if marked.ndim != 1 or marked.dtype != np.bool_ or marked.all():
        raise ValueError(f"coupling: mask={mask!r}; accepted: a sequence of bools, one a coordinate, at least one of them False.")
    # Unsigned, so that no look-up provides for negative indices.
    passing, moved = np.flatnonzero(marked).astype(np.uint32), np.flatnonzero(~marked).astype(np.uint32)
    back = np.argsort(np.concatenate([passing, moved])).astype(np.uint32)

    def split(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        if x.shape != marked.shape:
            raise ValueError(f"coupling: mask of {marked.size} bools for an event of shape {x.shape}; accepted: one bool a coordinate.")
        return x[passing], x[moved]

    return split, lambda same, rest: jnp.concatenate([same, rest])[back]
