"""A U-Net for images of any height and width: residual blocks at falling resolutions and back, with attention where places are few."""

import itertools
from typing import Any, TypedDict, Unpack

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets.conditioning import conditioned
from jaxgen.nets.conv_layer import Conv
from jaxgen.nets.image_blocks import Attention, GroupNorm, folded, resolutions, unfolded, up_to
from jaxgen.nets.mlp import silu
from jaxgen.nets.net import Net
from jaxgen.nets.precision import compute_dtype
from jaxgen.types import DTypeLike

MAX_ATTENDED = 256
"""The most places at which a resolution has attention; the coarsest resolution always has attention."""


class Options(TypedDict, total=False):
    """Name the options of `unet`, except `num_times`."""

    width: int
    depth: int
    num_levels: int
    stem: int
    num_frequencies: int
    dtype: str | None
    remat: bool


class _Block(nn.Module):
    channels: int
    attend: bool
    dtype: DTypeLike | None

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
    stem: int
    dtype: DTypeLike | None
    remat: bool

    @nn.compact
    def __call__(self, x: jax.Array, embedding: jax.Array) -> jax.Array:
        height, width = x.shape[:2]
        places = folded(x, self.stem)
        make: Any = nn.remat(_Block) if self.remat else _Block
        count = itertools.count()

        def block(h: jax.Array, level: int, attend: bool) -> jax.Array:
            # Named here, so that params do not depend on `remat`.
            return make(self.width * (1 + (level > 0)), attend, self.dtype, name=f"block_{next(count)}")(h, embedding)

        def attended(h: jax.Array, level: int) -> bool:
            return level > 0 and h.shape[0] * h.shape[1] <= MAX_ATTENDED

        levels = len(resolutions(places.shape[0], places.shape[1], self.num_levels))
        h = Conv(self.width, (3, 3), dtype=self.dtype)(places)
        skipped = [h]
        for level in range(levels):
            if level > 0:
                h = Conv(h.shape[-1], (3, 3), strides=2, dtype=self.dtype)(h)
                skipped.append(h)
            for _ in range(self.depth):
                h = block(h, level, attended(h, level))
                skipped.append(h)
        h = block(h, levels - 1, True)
        for level in reversed(range(levels)):
            # The outputs of a resolution's blocks come back to it, and that of the convolution that led there.
            for _ in range(self.depth + 1):
                h = block(jnp.concatenate([h, skipped.pop()], -1), level, attended(h, level))
            if level > 0:
                h = Conv(h.shape[-1], (3, 3), dtype=self.dtype)(up_to(h, *skipped[-1].shape[:2]))
        h = Conv(self.stem**2 * self.out, (3, 3), kernel_init=nn.initializers.zeros, dtype=self.dtype)(silu(GroupNorm()(h)))
        return unfolded(h, self.stem, height, width)


def unet(
    out: int,
    *,
    num_times: int = 0,
    width: int = 64,
    depth: int = 2,
    num_levels: int = 3,
    stem: int = 1,
    num_frequencies: int = 4,
    dtype: str | None = None,
    remat: bool = False,
) -> Net:
    """Build a U-Net `apply(params, x (H, W, C), *times, cond (c,) or None) -> (H, W, out)` for images of any size.

    Times and condition move every block by a scale and a shift. A picture is halved, rounding up, only while both sides keep at least
    four pixels. The network starts as the zero function.

    Args:
        out: Output channels.
        num_times: 0, 1 (the input t in [0, 1]) or 2 (the inputs t and s, which enter as t and s - t).
        width: Channels at the full resolution; all coarser ones have twice as many.
        depth: Residual blocks of each resolution.
        num_levels: The largest number of resolutions.
        stem: The side of the squares of pixels that the first layer reads, and the last one writes, as channels of one place. The work is
            divided by its square; 1 works on single pixels.
        num_frequencies: Fourier pairs of each time.
        dtype: "bfloat16" or "float32" computes in it, with moments and softmax in float32 at least; None computes in the dtype of the
            events. Parameters and outputs keep theirs.
        remat: Compute the blocks again in the backward pass instead of keeping their values.

    Raises:
        ValueError: A size or `dtype` cannot be used; at evaluation, the event is no image.

    Source: arXiv 1505.04597; arXiv 2006.11239, appendix B.

    >>> net, x = unet(3, width=4, depth=1), jnp.ones((5, 4, 2))
    >>> jax.eval_shape(lambda: net.apply(net.init(jax.random.key(0), x), x)).shape
    (5, 4, 3)
    """
    checks.counts("unet", out=out, width=width, depth=depth, num_levels=num_levels, stem=stem)
    body = _UNet(out, width, depth, num_levels, stem, compute_dtype("unet", dtype), remat)
    return conditioned("unet", body, 4 * width, num_times, num_frequencies)


def time_unet(out: int, **options: Unpack[Options]) -> Net:
    """Build `unet` in `(x, t, cond)`, for images what `time_mlp` is for vectors.

    Args:
        out: Output channels.
        options: Further options of `unet`.

    >>> net, x, t = time_unet(3, width=4, depth=1), jnp.ones((4, 4, 2)), jnp.asarray(0.5)
    >>> jax.eval_shape(lambda: net.apply(net.init(jax.random.key(0), x, t), x, t)).shape
    (4, 4, 3)
    """
    return unet(out, num_times=1, **options)


def times_unet(out: int, **options: Unpack[Options]) -> Net:
    """Build `unet` in `(x, t, s, cond)`, for images what `times_mlp` is for vectors.

    Args:
        out: Output channels.
        options: Further options of `unet`.

    >>> net, x, t = times_unet(3, width=4, depth=1), jnp.ones((4, 4, 2)), jnp.asarray(0.5)
    >>> jax.eval_shape(lambda: net.apply(net.init(jax.random.key(0), x, t, t), x, t, t)).shape
    (4, 4, 3)
    """
    return unet(out, num_times=2, **options)
