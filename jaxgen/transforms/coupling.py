"""The coupling transform: some coordinates, unchanged, say how the others are mapped (arXiv 1410.8516, 1605.08803)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets import Net
from jaxgen.transform import Batched, Density, Preimage, Transform
from jaxgen.transforms.scalars.scalar import Scalar

# From this many mapped coordinates on they fill a vector register, and bijectors run over them. Below, over the events of a batch, which then
# is the last axis: at 32 coordinates a spline flow would be a fifth as fast that way (`benchmarks/flows.py --only "rqs D64"`).
WIDE = 16


def coupling(scalar: Scalar, net: Callable[[int], Net], mask: Sequence[bool] | None = None) -> Transform:
    """The coordinates that `mask` marks pass; the rest go through `scalar` with parameters from `net(num_outputs)` of the first.

    mask: one bool per coordinate of the event `(d,)`; None marks the first `d // 2`. Where nothing is marked, as with None for d = 1, there
    is nothing to be conditioned on, so the network sees a constant zero (and the condition). params: the network's.
    Raises ValueError for a mask of another length than the event or that leaves no coordinate to map.
    """
    return couple(scalar, net, *(_halves() if mask is None else _selections(mask)))


def couple(scalar: Scalar, net: Callable[[int], Net], split: Callable[[Any], Any], join: Callable[..., Any]) -> Transform:
    """The coupling on events of any structure: `split(event) -> (passing (k,), mapped (m,))`, of which `join` makes an event again."""

    def conditioner(rest: jax.Array) -> Net:
        return net(rest.shape[0] * scalar.num_params)

    def seen(same: jax.Array) -> jax.Array:
        return same if same.shape[0] else jnp.zeros((1,), same.dtype)

    def init(key: jax.Array, z: Any, cond: Any = None) -> Any:
        same, rest = split(z)
        return conditioner(rest).init(key, seen(same), cond)

    def apply(function: Any, params: Any, x: Any, cond: Any) -> tuple[Any, jax.Array]:
        same, rest = split(x)
        theta = conditioner(rest).apply(params, seen(same), cond).reshape(scalar.num_params, -1)
        y, log_det = scalar.over(function)(theta, rest)
        return join(same, y), jnp.sum(log_det)

    def apply_batch(function: Any, params: Any, x: Any, cond: Any) -> tuple[Any, jax.Array]:
        if split(jax.tree.map(lambda a: a[0], x))[1].size >= WIDE:
            return jax.vmap(partial(apply, function, params))(x, cond)
        same, rest = jax.vmap(split, out_axes=(0, 1))(x)
        net = conditioner(rest)
        theta = jax.vmap(lambda s, c: net.apply(params, seen(s), c), out_axes=1)(same, cond)
        y, log_det = scalar.over(function)(theta.reshape(scalar.num_params, *rest.shape), rest)
        return jax.vmap(join, (0, 1))(same, y), jnp.sum(log_det, 0)

    return Transform(
        init,
        lambda params, z, cond=None: apply(scalar.forward, params, z, cond)[0],
        lambda params, x, cond=None, key=None: Preimage(*apply(scalar.inverse, params, x, cond)),
        lambda params, z, cond=None: apply(scalar.forward, params, z, cond),
        Density.EXACT,
        {"nfe": lambda params, z, cond=None: 1},
        Batched(
            lambda params, z, cond=None: apply_batch(scalar.forward, params, z, cond)[0],
            lambda params, x, cond=None, key=None: Preimage(*apply_batch(scalar.inverse, params, x, cond)),
            lambda params, z, cond=None: apply_batch(scalar.forward, params, z, cond),
        ),
    )


def _halves() -> tuple[Callable[..., Any], Callable[..., jax.Array]]:
    # Slices, which XLA fuses, where a general mask needs gathers.
    def split(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        half = x.shape[0] // 2
        return x[:half], x[half:]

    return split, lambda same, rest: jnp.concatenate([same, rest])


def _selections(mask: Sequence[bool]) -> tuple[Callable[..., Any], Callable[..., jax.Array]]:
    marked = np.asarray(mask)
    if marked.ndim != 1 or marked.dtype != np.bool_ or marked.all():
        raise ValueError(f"coupling: mask={mask!r}; accepted: a sequence of bools, one a coordinate, at least one of them False.")
    # Unsigned, so that no look-up provides for negative indices.
    kept, moved = np.flatnonzero(marked).astype(np.uint32), np.flatnonzero(~marked).astype(np.uint32)
    back = np.argsort(np.concatenate([kept, moved])).astype(np.uint32)

    def split(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        if x.shape != marked.shape:
            raise ValueError(f"coupling: mask of {marked.size} bools for an event of shape {x.shape}; accepted: one bool a coordinate.")
        return x[kept], x[moved]

    return split, lambda same, rest: jnp.concatenate([same, rest])[back]
