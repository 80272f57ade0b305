"""The two players of a game on images: a generator that grows a picture from a latent, and a critic that shrinks one to a number.

Residual and without normalisation: each block starts as the identity, which needs none (arXiv 1901.09321; 2501.05441, section 3).
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets.conditioned import dtype_of, num_levels_for, up_to
from jaxgen.nets.conv import Conv
from jaxgen.nets.net import Net, from_linen


class _Block(nn.Module):
    channels: int
    dtype: Any

    @nn.compact
    def __call__(self, h: jax.Array) -> jax.Array:
        a = Conv(self.channels, (3, 3), dtype=self.dtype)(nn.leaky_relu(h, 0.2))
        return h + Conv(self.channels, (3, 3), kernel_init=nn.initializers.zeros, dtype=self.dtype)(nn.leaky_relu(a, 0.2))


class _Generator(nn.Module):
    shape: tuple[int, int, int]
    width: int
    depth: int
    num_levels: int
    dtype: Any

    @nn.compact
    def __call__(self, z: jax.Array, cond: Any = None) -> jax.Array:
        height, width, channels = self.shape
        sizes = [(height, width)]
        for _ in range(num_levels_for(height, width, self.num_levels) - 1):
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        h = z if cond is None else jnp.concatenate([z, cond.astype(z.dtype).ravel()])
        wide = [self.width * (1 + (level > 0)) for level in range(len(sizes))]
        h = nn.Dense(math.prod(sizes[-1]) * wide[-1], dtype=self.dtype)(h).reshape(*sizes[-1], wide[-1])
        for level in reversed(range(len(sizes))):
            if h.shape[:2] != sizes[level]:
                h = Conv(wide[level], (3, 3), dtype=self.dtype)(up_to(h, *sizes[level]))
            for _ in range(self.depth):
                h = _Block(wide[level], self.dtype)(h)
        return jnp.tanh(Conv(channels, (3, 3), dtype=self.dtype)(nn.leaky_relu(h, 0.2)).astype(z.dtype))


class _Critic(nn.Module):
    width: int
    depth: int
    num_levels: int
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, cond: Any = None) -> jax.Array:
        h = Conv(self.width, (3, 3), dtype=self.dtype)(x)
        for level in range(num_levels_for(x.shape[0], x.shape[1], self.num_levels)):
            if level > 0:
                h = Conv(2 * self.width, (3, 3), strides=2, dtype=self.dtype)(h)
            for _ in range(self.depth):
                h = _Block(h.shape[-1], self.dtype)(h)
        h = nn.Dense(4 * self.width, dtype=self.dtype)(nn.leaky_relu(h, 0.2).ravel())
        h = nn.leaky_relu(h, 0.2).astype(x.dtype)
        score = nn.Dense(1)(h)
        if cond is None:
            return score
        # The condition as a direction in which the picture is looked at (arXiv 1802.05637, eq. 4).
        seen = nn.Dense(h.size, use_bias=False)(cond.astype(x.dtype).ravel())
        return score + jnp.sum(seen * h, keepdims=True) / math.sqrt(h.size)


def image_generator(shape: tuple[int, int, int], *, width: int = 32, depth: int = 1, num_levels: int = 3, dtype: str | None = None) -> Net:
    """`apply(params, z (l,), cond (c,) or None) -> (H, W, C)` in (-1, 1): `depth` residual blocks at each of up to `num_levels` sizes.

    width: channels at full size, twice as many below. dtype: as for `unet`. Raises ValueError for sizes below 1 or another dtype.
    """
    if not isinstance(shape, (tuple, list)) or len(shape) != 3:
        raise ValueError(f"image_generator: shape={shape!r}; accepted: (height, width, channels).")
    height, across, channels = shape
    checks.counts(
        "image_generator", height=height, width_of_image=across, channels=channels, width=width, depth=depth, num_levels=num_levels
    )
    return from_linen(_Generator((height, across, channels), width, depth, num_levels, dtype_of(dtype)))


def image_critic(*, width: int = 32, depth: int = 1, num_levels: int = 3, dtype: str | None = None) -> Net:
    """`apply(params, x (H, W, C), cond (c,) or None) -> (1,)`, the generator's blocks the other way; options as there."""
    checks.counts("image_critic", width=width, depth=depth, num_levels=num_levels)
    return from_linen(_Critic(width, depth, num_levels, dtype_of(dtype)))
