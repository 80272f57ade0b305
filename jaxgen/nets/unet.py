"""A U-Net for images of any height and width: residual blocks at falling resolutions and back, with attention where places are few."""

import itertools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets.conditioned import Attention, GroupNorm, conditioned, dtype_of, num_levels_for, up_to
from jaxgen.nets.conv import Conv
from jaxgen.nets.mlp import silu
from jaxgen.nets.net import Net

MAX_ATTENDED = 256
"""Places from which on a resolution has no attention of its own; the lowest always has."""


class _Block(nn.Module):
    channels: int
    attend: bool
    dtype: Any

    @nn.compact
    def __call__(self, h: jax.Array, embedding: jax.Array) -> jax.Array:
        a = Conv(self.channels, (3, 3), dtype=self.dtype)(silu(GroupNorm()(h)))
        scale, shift = jnp.split(nn.Dense(2 * self.channels, dtype=self.dtype)(embedding), 2)
        a = silu(GroupNorm(affine=False)(a) * (1 + scale) + shift)
        a = Conv(self.channels, (3, 3), kernel_init=nn.initializers.zeros, dtype=self.dtype)(a)
        h = a + (h if h.shape[-1] == self.channels else nn.Dense(self.channels, dtype=self.dtype)(h))
        if not self.attend:
            return h
        places = GroupNorm()(h).reshape(-1, self.channels)
        num_heads = max(n for n in range(1, max(1, self.channels // 64) + 1) if self.channels % n == 0)
        return h + Attention(num_heads, self.dtype)(places).reshape(h.shape)


class _UNet(nn.Module):
    out: int
    width: int
    depth: int
    num_levels: int
    dtype: Any
    remat: bool

    @nn.compact
    def __call__(self, x: jax.Array, embedding: jax.Array) -> jax.Array:
        make: Any = nn.remat(_Block) if self.remat else _Block
        count = itertools.count()

        def block(h: jax.Array, level: int, attend: bool) -> jax.Array:
            # Named here, so that params do not depend on `remat`.
            return make(self.width * (1 + (level > 0)), attend, self.dtype, name=f"block_{next(count)}")(h, embedding)

        def attended(h: jax.Array, level: int) -> bool:
            return level > 0 and h.shape[0] * h.shape[1] <= MAX_ATTENDED

        levels = num_levels_for(x.shape[0], x.shape[1], self.num_levels)
        h = Conv(self.width, (3, 3), dtype=self.dtype)(x)
        seen = [h]
        for level in range(levels):
            if level > 0:
                h = Conv(h.shape[-1], (3, 3), strides=2, dtype=self.dtype)(h)
                seen.append(h)
            for _ in range(self.depth):
                h = block(h, level, attended(h, level))
                seen.append(h)
        h = block(h, levels - 1, True)
        for level in reversed(range(levels)):
            # What made a resolution comes back at it: its blocks, and the convolution that led there.
            for _ in range(self.depth + 1):
                h = block(jnp.concatenate([h, seen.pop()], -1), level, attended(h, level))
            if level > 0:
                h = Conv(h.shape[-1], (3, 3), dtype=self.dtype)(up_to(h, *seen[-1].shape[:2]))
        return Conv(self.out, (3, 3), kernel_init=nn.initializers.zeros, dtype=self.dtype)(silu(GroupNorm()(h)))


def unet(
    out: int,
    *,
    num_times: int = 0,
    width: int = 64,
    depth: int = 2,
    num_levels: int = 3,
    num_frequencies: int = 4,
    dtype: str | None = None,
    remat: bool = False,
) -> Net:
    """`apply(params, x (H, W, C), *times, cond (c,) or None) -> (H, W, out)` (arXiv 1505.04597, 2006.11239 appendix B); starts at zero.

    num_times: 0, 1 (t in [0, 1]) or 2 (t and s, which enter as t and s - t). Times and condition move every block by a scale and a shift.
    width: channels at the full resolution, twice as many below; depth: blocks a resolution; num_levels: resolutions at most, as pictures are
    halved (rounding up) only while both sides keep four places. Any H and W; where a side is below four nothing is halved.
    dtype: "bfloat16" computes in it, with float32 params, moments and softmax; None in the events' own. remat: blocks are computed again
    in the backward pass instead of kept. Raises ValueError for sizes below 1, another dtype, or an event that is no image.
    """
    checks.counts("unet", out=out, width=width, depth=depth, num_levels=num_levels)
    return conditioned(_UNet(out, width, depth, num_levels, dtype_of(dtype), remat), 4 * width, num_times, num_frequencies)


def time_unet(out: int, **options: Any) -> Net:
    """`unet` in `(x, t, cond)`, for images what `time_mlp` is for vectors."""
    return unet(out, num_times=1, **options)


def times_unet(out: int, **options: Any) -> Net:
    """`unet` in `(x, t, s, cond)`, for images what `times_mlp` is for vectors."""
    return unet(out, num_times=2, **options)
