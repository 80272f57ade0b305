"""Transforms side by side: each maps some coordinates of the noise to some coordinates of the event."""

# JAX types its own functions in part only.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.lifting import fold_in, lifted
from jaxgen.lifting import nfe as nfe_of
from jaxgen.refusals import require_transform
from jaxgen.transform import Hooks, Maps, Preimage, Transform
from jaxgen.types import Cond, Event, Key, Noise, Params


class Piece(NamedTuple):
    """Say which coordinates a transform maps to which.

    Attributes:
        transform: A transform of events `(len(event),)` from noise `(len(noise),)`.
        noise: The coordinates of the noise that it reads, in its order.
        event: The coordinates of the event that it writes, in its order.
    """

    transform: Transform
    noise: Sequence[int]
    event: Sequence[int]


def in_parallel(*pieces: Piece) -> Transform:
    """Apply transforms to disjoint groups of coordinates: no coordinate of the event depends on the noise of another group.

    Log-determinants and `log_q` add, and the density has the weakest kind of the pieces.

    Args:
        *pieces: Which transform maps which coordinates. Together they read every coordinate of the noise once and write every coordinate of
            the event once.

    Returns:
        A transform of events `(d,)`; its params are the tuple of the pieces' params, or () if no piece has any.

    Raises:
        ValueError: There is no piece, or a coordinate is left out or appears twice.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> double, positive = transforms.affine(0.0, 2.0), transforms.onto_positive()
    >>> f = transforms.in_parallel(transforms.Piece(double, [1], [0]), transforms.Piece(positive, [0], [1]))
    >>> f.forward(((), ()), jnp.asarray([100.0, 3.0])).tolist()
    [6.0, 100.0]
    """
    if not pieces:
        raise ValueError("in_parallel: pieces=(); accepted: at least one Piece.")
    for i, piece in enumerate(pieces):
        require_transform(f"in_parallel: pieces[{i}].transform", piece.transform)
    noises = [_indices(piece.noise) for piece in pieces]
    events = [_indices(piece.event) for piece in pieces]
    for name, groups in (("noise", noises), ("event", events)):
        joined = np.concatenate(groups)
        if sorted(joined) != list(range(len(joined))):
            raise ValueError(f"in_parallel: {name} coordinates={joined.tolist()!r}; accepted: 0 to {len(joined) - 1}, each in one piece.")

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        keys = jax.random.split(key, len(pieces))
        params = tuple(p.transform.init(k, z[n], cond) for p, k, n in zip(pieces, keys, noises, strict=True))
        return params if jax.tree.leaves(params) else ()

    def of(params: Params) -> Params:
        return params or ((),) * len(pieces)

    def lift(batched: bool, /, *maps: Maps) -> Maps:
        def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
            parts = [g.forward(p, z[..., n], cond) for g, p, n in zip(maps, of(params), noises, strict=True)]
            return _placed(parts, events)

        def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
            back: list[Preimage] = []
            for i, (g, p, e) in enumerate(zip(maps, of(params), events, strict=True)):
                assert g.inverse is not None
                back.append(g.inverse(p, x[..., e], cond, fold_in(key, i)))
            log_det, log_q = (sum(parts, jnp.zeros((), x.dtype)) for parts in zip(*((b.log_det, b.log_q) for b in back), strict=True))
            return Preimage(_placed([b.z for b in back], noises), log_det, log_q)

        def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
            parts, log_det = [], jnp.zeros((), z.dtype)
            for g, p, n in zip(maps, of(params), noises, strict=True):
                assert g.forward_and_log_det is not None
                part, of_part = g.forward_and_log_det(p, z[..., n], cond)
                parts.append(part)
                log_det = log_det + of_part
            return _placed(parts, events), log_det

        both = all(g.forward_and_log_det is not None for g in maps)
        return Maps(forward, inverse if all(g.inverse for g in maps) else None, forward_and_log_det if both else None)

    def nfe(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array | int:
        return sum(nfe_of(piece.transform)(p, z[n], cond) for piece, p, n in zip(pieces, of(params), noises, strict=True))

    def again(change: Callable[[Transform], Transform]) -> Transform:
        return in_parallel(*(piece._replace(transform=change(piece.transform)) for piece in pieces))

    return lifted(again, lift, init, *(piece.transform for piece in pieces), hooks=Hooks(nfe=nfe))


def _indices(indices: Sequence[int]) -> np.ndarray:
    return np.asarray(list(indices), np.int32)


def _placed(parts: Sequence[jax.Array], places: Sequence[np.ndarray]) -> jax.Array:
    """Return the parts in the order of their places: one permutation of their concatenation, whose transpose is as cheap."""
    return jnp.concatenate(parts, -1)[..., np.argsort(np.concatenate(places)).astype(np.int32)]
