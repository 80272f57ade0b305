"""A transformer on patches of an image, whose equal blocks run in one scan (DiT, arXiv 2212.09748)."""

from typing import TypedDict, Unpack

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.nets.adaptive_block import adaptive_stack
from jaxgen.nets.conditioning import conditioned
from jaxgen.nets.image_blocks import folded, unfolded
from jaxgen.nets.net import Net
from jaxgen.nets.precision import compute_dtype
from jaxgen.types import DTypeLike


class Options(TypedDict, total=False):
    """Name the options of `dit`, except `num_times`."""

    width: int
    depth: int
    num_heads: int
    patch: int
    num_frequencies: int
    dtype: str | None
    remat: bool


class _DiT(nn.Module):
    out: int
    width: int
    depth: int
    num_heads: int
    patch: int
    dtype: DTypeLike | None
    remat: bool

    @nn.compact
    def __call__(self, x: jax.Array, embedding: jax.Array) -> jax.Array:
        height, width = x.shape[:2]
        places = folded(x, self.patch)
        rows, columns = places.shape[:2]
        h = nn.Dense(self.width, dtype=self.dtype)(places.reshape(rows * columns, -1))
        h = h + jnp.asarray(_places(rows, columns, self.width), h.dtype)
        sizes = {"out": self.patch**2 * self.out, "depth": self.depth, "num_heads": self.num_heads}
        h = adaptive_stack(h, embedding, None, **sizes, dtype=self.dtype, remat=self.remat)
        return unfolded(h.reshape(rows, columns, -1), self.patch, height, width)


def dit(
    out: int,
    *,
    num_times: int = 0,
    width: int = 192,
    depth: int = 6,
    num_heads: int = 3,
    patch: int = 2,
    num_frequencies: int = 4,
    dtype: str | None = None,
    remat: bool = False,
) -> Net:
    """Build a diffusion transformer `apply(params, x (H, W, C), *times, cond (c,) or None) -> (H, W, out)` for images of any size.

    Times and condition enter every block by adaLN-zero. Pictures that a patch does not divide are padded and cut. The blocks run in one
    scan, so that compile time does not grow with `depth`. The network starts as the zero function.

    Args:
        out: Output channels.
        num_times: 0, 1 (the input t in [0, 1]) or 2 (the inputs t and s, which enter as t and s - t).
        width: Channels of a token, a multiple of 4 and of `num_heads`.
        depth: The number of blocks.
        num_heads: Heads of the attention.
        patch: The side of a patch, which becomes one token.
        num_frequencies: Fourier pairs of each time.
        dtype: "bfloat16" or "float32" computes in it, with moments and softmax in float32 at least; None computes in the dtype of the
            events. Parameters and outputs keep theirs.
        remat: Compute the blocks again in the backward pass instead of keeping their values.

    Raises:
        ValueError: A size or `dtype` cannot be used; at evaluation, the event is no image.

    Source: arXiv 2212.09748, section 3.2.

    >>> net, x = dit(3, width=4, depth=1, num_heads=1), jnp.ones((5, 4, 2))
    >>> jax.eval_shape(lambda: net.apply(net.init(jax.random.key(0), x), x)).shape
    (5, 4, 3)
    """
    checks.counts("dit", out=out, width=width, depth=depth, num_heads=num_heads, patch=patch)
    if width % num_heads or width % 4:
        raise ValueError(f"dit: width={width!r} with num_heads={num_heads!r}; accepted: a multiple of 4 and of num_heads.")
    body = _DiT(out, width, depth, num_heads, patch, compute_dtype("dit", dtype), remat)
    return conditioned("dit", body, width, num_times, num_frequencies)


def time_dit(out: int, **options: Unpack[Options]) -> Net:
    """Build `dit` in `(x, t, cond)`, for images what `time_mlp` is for vectors.

    Args:
        out: Output channels.
        options: Further options of `dit`.

    >>> net, x, t = time_dit(3, width=4, depth=1, num_heads=1), jnp.ones((4, 4, 2)), jnp.asarray(0.5)
    >>> jax.eval_shape(lambda: net.apply(net.init(jax.random.key(0), x, t), x, t)).shape
    (4, 4, 3)
    """
    return dit(out, num_times=1, **options)


def times_dit(out: int, **options: Unpack[Options]) -> Net:
    """Build `dit` in `(x, t, s, cond)`, for images what `times_mlp` is for vectors.

    Args:
        out: Output channels.
        options: Further options of `dit`.

    >>> net, x, t = times_dit(3, width=4, depth=1, num_heads=1), jnp.ones((4, 4, 2)), jnp.asarray(0.5)
    >>> jax.eval_shape(lambda: net.apply(net.init(jax.random.key(0), x, t, t), x, t, t)).shape
    (4, 4, 3)
    """
    return dit(out, num_times=2, **options)


def _places(rows: int, columns: int, width: int) -> np.ndarray:
    """Return `(rows * columns, width)`: sines and cosines of the row in one half of the channels, and of the column in the other half."""
    rates = 10_000.0 ** -(np.arange(width // 4) / (width // 4))
    where = [np.arange(n)[:, None] * rates for n in (rows, columns)]
    by_row, by_column = (np.concatenate([np.sin(a), np.cos(a)], 1) for a in where)
    return np.concatenate([np.repeat(by_row, columns, 0), np.tile(by_column, (rows, 1))], 1)
