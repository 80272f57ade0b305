"""The sizes of batches for which programs are compiled.

Compiling a program takes seconds and a batch milliseconds, so a batch of any other size is padded with copies of its last event.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxgen.compiled import outermost
from jaxgen.types import DTypeLike, PyTree

# Below, a batch takes little longer than the call itself; a hundred images do not.
SMALL = 16
MIDDLE = 4096


def padded_size(num: int, batch_size: int | None = None) -> int:
    """Return the size of the batch as which a batch of `num` events is computed.

    Up to 16 events it is a power of two. Each further doubling has four sizes, at equal distances, and eight from 4,096 events on.

    Args:
        num: The number of events.
        batch_size: How many events are computed at once, which padding never exceeds; None computes all at once.

    Returns:
        The size: `num` at least, and less than twice as much; beyond 16 events at most a quarter more, beyond 4,096 an eighth. Of more
        than `batch_size` events, the rest behind whole slices is padded.

    >>> [padded_size(num) for num in (1, 3, 100, 1_000, 5_000)]
    [1, 4, 112, 1024, 5120]
    """
    if batch_size is not None and num >= batch_size:
        rest = num % batch_size
        return num - rest + (padded_size(rest, batch_size) if rest else 0)
    power = 1 << max(0, num - 1).bit_length()
    # From one power of two to the next there are that many sizes.
    step = power if num <= SMALL else power // (8 if num <= MIDDLE else 16)
    size = -(-num // step) * step
    return size if batch_size is None else min(size, batch_size)


def padded(rows: PyTree, size: int) -> PyTree:
    """Repeat the last row of arrays until they have `size` rows: unlike zeros, its copies move no maximum or shared step of a batch.

    Args:
        rows: A pytree of arrays `(n, ...)` on the CPU or on an accelerator, n at least 1.
        size: The number of rows to return.

    Returns:
        The arrays `(size, ...)`. On the CPU they are NumPy's, because JAX would compile a program for each n.
    """

    def longer(a: Any) -> Any:
        num = a.shape[0]
        if num == size:
            return a
        if jax.default_backend() != "cpu":
            return jnp.asarray(a)[np.minimum(np.arange(size), num - 1)]
        out = np.empty((size, *a.shape[1:]), a.dtype)
        out[:num], out[num:] = a, a[-1]
        return out

    return jax.tree.map(longer, rows)


def first_rows(result: PyTree, num: int) -> PyTree:
    """Return the first `num` rows of arrays on one device, which on the CPU compiles nothing.

    Args:
        result: A pytree of arrays.
        num: The number of rows.
    """
    if jax.default_backend() != "cpu":
        return jax.tree.map(lambda a: a[:num], result)
    # A copy: of a view of an array of its own JAX takes twice as long to make another one.
    return jax.tree.map(lambda a: a if a.shape[0] == num else jnp.asarray(np.asarray(a)[:num].copy()), result)


def zeros(like: jax.Array) -> jax.Array:
    """Return zeros of the shape `(n,)` and the dtype of an array, in a tenth of the time that `jnp.zeros` takes.

    Args:
        like: The array, which may be traced.

    Returns:
        The zeros. Of few events they are one array for all calls, because making them takes a third as long as a small flow's program.
    """
    num = like.shape[0]
    if num <= SMALL and not isinstance(like, Tracer) and outermost():
        if _kept(num, like.dtype).is_deleted():
            # A caller has donated them.
            _kept.cache_clear()
        return _kept(num, like.dtype)
    if padded_size(num) == num or isinstance(like, Tracer):
        return _zeros(num, like.dtype)
    return jnp.asarray(np.zeros(num, like.dtype))


@functools.lru_cache(maxsize=64)
def _kept(num: int, dtype: DTypeLike) -> jax.Array:
    return jnp.asarray(np.zeros(num, dtype))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _zeros(num: int, dtype: DTypeLike) -> jax.Array:
    return jnp.zeros(num, dtype)
