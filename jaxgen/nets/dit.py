"""A transformer on patches of an image, its blocks equal and scanned (DiT, arXiv 2212.09748)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.nets.conditioned import Attention, conditioned, dtype_of
from jaxgen.nets.net import Net


class _Block(nn.Module):
    num_heads: int
    dtype: Any

    @nn.compact
    def __call__(self, h: jax.Array, embedding: jax.Array) -> tuple[jax.Array, None]:
        c = h.shape[-1]
        moved = nn.Dense(6 * c, kernel_init=nn.initializers.zeros, dtype=self.dtype)(embedding)
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = jnp.split(moved, 6)
        h = h + gate * Attention(self.num_heads, self.dtype, zero=False)(_normed(h) * (1 + scale) + shift)
        a = nn.Dense(4 * c, dtype=self.dtype)(_normed(h) * (1 + scale_mlp) + shift_mlp)
        return h + gate_mlp * nn.Dense(c, dtype=self.dtype)(nn.gelu(a)), None


class _DiT(nn.Module):
    out: int
    width: int
    depth: int
    num_heads: int
    patch: int
    dtype: Any
    remat: bool

    @nn.compact
    def __call__(self, x: jax.Array, embedding: jax.Array) -> jax.Array:
        height, width = x.shape[:2]
        rows, columns, p = -(-height // self.patch), -(-width // self.patch), self.patch
        padded = jnp.pad(x, ((0, rows * p - height), (0, columns * p - width), (0, 0)))
        patches = padded.reshape(rows, p, columns, p, -1).swapaxes(1, 2).reshape(rows * columns, -1)
        h = nn.Dense(self.width, dtype=self.dtype)(patches)
        h = h + jnp.asarray(_places(rows, columns, self.width), h.dtype)
        # Within a scan the barrier against common subexpressions is not needed.
        block: Any = nn.remat(_Block, prevent_cse=False) if self.remat else _Block
        shared: Any = nn.broadcast
        stack = nn.scan(block, variable_axes={"params": 0}, split_rngs={"params": True}, in_axes=shared, length=self.depth)
        h, _ = stack(self.num_heads, self.dtype, name="blocks")(h, embedding)
        shift, scale = jnp.split(nn.Dense(2 * self.width, kernel_init=nn.initializers.zeros, dtype=self.dtype)(embedding), 2)
        h = nn.Dense(p * p * self.out, kernel_init=nn.initializers.zeros, dtype=self.dtype)(_normed(h) * (1 + scale) + shift)
        whole = h.reshape(rows, columns, p, p, self.out).swapaxes(1, 2).reshape(rows * p, columns * p, self.out)
        return whole[:height, :width]


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
    """`apply(params, x (H, W, C), *times, cond (c,) or None) -> (H, W, out)` with adaLN-zero (arXiv 2212.09748, section 3.2); starts at zero.

    patch: side of a patch, one token; pictures that it does not divide are padded and cut. width: channels of a token, a multiple of
    4 and of `num_heads`. depth: equal blocks under one scan, so that compiling does not take longer for more. num_times, dtype, remat: as
    for `unet`. Raises ValueError for sizes below 1, a width that does not divide, another dtype, or an event that is no image.
    """
    for name, size in (("outputs", out), ("width", width), ("depth", depth), ("num_heads", num_heads), ("patch", patch)):
        checks.count(f"dit: {name}", size)
    if width % num_heads or width % 4:
        raise ValueError(f"dit: width={width!r} with num_heads={num_heads!r}; accepted: a multiple of 4 and of num_heads.")
    return conditioned(_DiT(out, width, depth, num_heads, patch, dtype_of(dtype), remat), width, num_times, num_frequencies)


def time_dit(out: int, **options: Any) -> Net:
    """`dit` in `(x, t, cond)`, for images what `time_mlp` is for vectors."""
    return dit(out, num_times=1, **options)


def times_dit(out: int, **options: Any) -> Net:
    """`dit` in `(x, t, s, cond)`, for images what `times_mlp` is for vectors."""
    return dit(out, num_times=2, **options)


def _normed(h: jax.Array) -> jax.Array:
    a = h.astype(jnp.promote_types(h.dtype, jnp.float32))
    a = a - jnp.mean(a, -1, keepdims=True)
    return (a * jax.lax.rsqrt(jnp.mean(a**2, -1, keepdims=True) + 1e-6)).astype(h.dtype)


def _places(rows: int, columns: int, width: int) -> np.ndarray:
    """`(rows * columns, width)`: sines and cosines of the row in one half of the channels and of the column in the other."""
    rates = 10_000.0 ** -(np.arange(width // 4) / (width // 4))
    where = [np.arange(n)[:, None] * rates for n in (rows, columns)]
    by_row, by_column = (np.concatenate([np.sin(a), np.cos(a)], 1) for a in where)
    return np.concatenate([np.repeat(by_row, columns, 0), np.tile(by_column, (rows, 1))], 1)
