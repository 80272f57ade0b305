"""The two players of a game on images: a generator that grows a picture from a latent, and a critic that shrinks one to a number.

Both are residual and without normalisation: each block starts as the identity, which needs none (arXiv 1901.09321; 2501.05441, section 3).
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets.conv_layer import Conv
from jaxgen.nets.image_blocks import resolutions, up_to
from jaxgen.nets.net import Net, from_linen
from jaxgen.nets.precision import compute_dtype
from jaxgen.types import Cond, DTypeLike


class _Block(nn.Module):
    channels: int
    dtype: DTypeLike | None

    @nn.compact
    def __call__(self, h: jax.Array) -> jax.Array:
        a = Conv(self.channels, (3, 3), dtype=self.dtype)(nn.leaky_relu(h, 0.2))
        return h + Conv(self.channels, (3, 3), kernel_init=nn.initializers.zeros, dtype=self.dtype)(nn.leaky_relu(a, 0.2))


class _Generator(nn.Module):
    shape: tuple[int, int, int]
    width: int
    depth: int
    num_levels: int
    dtype: DTypeLike | None

    @nn.compact
    def __call__(self, z: jax.Array, cond: Cond = None) -> jax.Array:
        height, width, channels = self.shape
        sizes = resolutions(height, width, self.num_levels)
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
    dtype: DTypeLike | None

    @nn.compact
    def __call__(self, x: jax.Array, cond: Cond = None) -> jax.Array:
        h = Conv(self.width, (3, 3), dtype=self.dtype)(x)
        for level in range(len(resolutions(x.shape[0], x.shape[1], self.num_levels))):
            if level > 0:
                h = Conv(2 * self.width, (3, 3), strides=2, dtype=self.dtype)(h)
            for _ in range(self.depth):
                h = _Block(h.shape[-1], self.dtype)(h)
        h = nn.Dense(4 * self.width, dtype=self.dtype)(nn.leaky_relu(h, 0.2).ravel())
        h = nn.leaky_relu(h, 0.2).astype(x.dtype)
        score = nn.Dense(1)(h)
        if cond is None:
            return score
        # A projection discriminator (arXiv 1802.05637, eq. 4).
        direction = nn.Dense(h.size, use_bias=False)(cond.astype(x.dtype).ravel())
        return score + jnp.sum(direction * h, keepdims=True) / math.sqrt(h.size)


def image_generator(shape: tuple[int, int, int], *, width: int = 32, depth: int = 1, num_levels: int = 3, dtype: str | None = None) -> Net:
    """Build a generator `apply(params, z (l,), cond (c,) or None) -> (H, W, C)` of images with values in (-1, 1).

    Args:
        shape: The shape (height, width, channels) of the images.
        width: Channels at the full size; all smaller sizes have twice as many.
        depth: Residual blocks at each size.
        num_levels: The largest number of sizes.
        dtype: "bfloat16" or "float32" computes in it; None computes in the dtype of the latent. Parameters and images keep theirs.

    Raises:
        ValueError: `shape` has not three entries, or a size or `dtype` cannot be used.

    >>> net, z = image_generator((5, 4, 3), width=4), jnp.ones(2)
    >>> jax.eval_shape(lambda: net.apply(net.init(jax.random.key(0), z), z)).shape
    (5, 4, 3)
    """
    if not isinstance(shape, (tuple, list)) or len(shape) != 3:
        raise ValueError(f"image_generator: shape={shape!r}; accepted: (height, width, channels).")
    height, across, channels = shape
    for size in shape:
        checks.count("image_generator: side or channels in shape", size)
    checks.counts("image_generator", width=width, depth=depth, num_levels=num_levels)
    return from_linen(_Generator((height, across, channels), width, depth, num_levels, compute_dtype("image_generator", dtype)))


def image_critic(*, width: int = 32, depth: int = 1, num_levels: int = 3, dtype: str | None = None) -> Net:
    """Build a critic `apply(params, x (H, W, C), cond (c,) or None) -> (1,)`: the generator's blocks in the other order.

    Args:
        width: Channels at the full size; all smaller sizes have twice as many.
        depth: Residual blocks at each size.
        num_levels: The largest number of sizes.
        dtype: "bfloat16" or "float32" computes in it; None computes in the dtype of the images. Parameters and the output keep theirs.

    Raises:
        ValueError: A size or `dtype` cannot be used.

    >>> net, x = image_critic(width=4), jnp.ones((5, 4, 3))
    >>> jax.eval_shape(lambda: net.apply(net.init(jax.random.key(0), x), x)).shape
    (1,)
    """
    checks.counts("image_critic", width=width, depth=depth, num_levels=num_levels)
    return from_linen(_Critic(width, depth, num_levels, compute_dtype("image_critic", dtype)))
