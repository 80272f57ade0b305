"""Convolutional networks on images (height, width, channels): an encoder to a vector, and a decoder from one."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.nets.conv_layer import Conv
from jaxgen.nets.image_blocks import resolutions, up_to
from jaxgen.nets.mlp import ACTIVATIONS, check
from jaxgen.nets.net import Net, from_linen
from jaxgen.types import Cond

SMALLEST, LARGEST = 4, 64
GROUPS = 8


def sizes(where: str, height: int, width: int) -> list[tuple[int, int]]:
    """Return the resolutions from the image's to the coarsest.

    Args:
        where: The name of the calling function, for the message.
        height: The height of the image in pixels.
        width: The width of the image in pixels.

    Returns:
        Pairs `(height, width)`, halved and rounded up while both sides are at least 8, such as 28, 14, 7.

    Raises:
        ValueError: A side is outside 4 ... 64.
    """
    if not (SMALLEST <= height <= LARGEST and SMALLEST <= width <= LARGEST):
        raise ValueError(f"{where}: image of {height} x {width} pixels; accepted: {SMALLEST} to {LARGEST} on either side.")
    return resolutions(height, width, LARGEST, 2 * SMALLEST)


def norm(h: jax.Array) -> jax.Array:
    """Normalise groups of channels of one image `(h, w, c)`, inside a compact module. The module takes its first axis for a batch's."""
    return nn.GroupNorm(num_groups=math.gcd(h.shape[-1], GROUPS))(h[None])[0]


class _Block(nn.Module):
    """`h + f(h)` with two 3x3 convolutions (arXiv 1603.05027); the second starts at zero, so that a deep stack starts at the identity."""

    activation: str

    @nn.compact
    def __call__(self, h: jax.Array) -> jax.Array:
        act, channels = ACTIVATIONS[self.activation], h.shape[-1]
        r = Conv(channels, (3, 3))(act(norm(h)))
        return h + Conv(channels, (3, 3), kernel_init=nn.initializers.zeros)(act(norm(r)))


class _Encoder(nn.Module):
    out: int
    width: int
    depth: int
    activation: str

    @nn.compact
    def __call__(self, x: jax.Array, cond: Cond = None) -> jax.Array:
        act, num_levels = ACTIVATIONS[self.activation], len(sizes("conv_encoder", *x.shape[:2]))
        h = Conv(self.width, (3, 3))(x)
        if cond is not None:
            h = h + nn.Dense(self.width)(cond.astype(x.dtype).ravel())[None, None]
        for level in range(num_levels):
            if level:
                h = Conv(_channels(self.width, level), (3, 3), strides=(2, 2))(h)
            for _ in range(self.depth):
                h = _Block(self.activation)(h)
        return nn.Dense(self.out)(act(norm(h)).ravel())


class _Decoder(nn.Module):
    shape: tuple[int, int, int]
    width: int
    depth: int
    activation: str

    @nn.compact
    def __call__(self, z: jax.Array, cond: Cond = None) -> jax.Array:
        act, levels = ACTIVATIONS[self.activation], sizes("conv_decoder", *self.shape[:2])
        z = z.ravel() if cond is None else jnp.concatenate([z.ravel(), cond.astype(z.dtype).ravel()])
        channels = _channels(self.width, len(levels) - 1)
        h = nn.Dense(math.prod(levels[-1]) * channels)(z).reshape(*levels[-1], channels)
        for level in reversed(range(len(levels))):
            if level < len(levels) - 1:
                h = Conv(_channels(self.width, level), (3, 3))(up_to(h, *levels[level]))
            for _ in range(self.depth):
                h = _Block(self.activation)(h)
        return Conv(self.shape[2], (3, 3))(act(norm(h)))


def _channels(width: int, level: int) -> int:
    return width * min(2**level, 4)


def conv_encoder(out: int, *, width: int = 32, depth: int = 1, activation: str = "silu") -> Net:
    """Build a convolutional encoder `apply(params, x (height, width, channels), cond (c,) or None) -> (out,)`.

    Args:
        out: The number of outputs.
        width: Channels at the image's own size; the next size has twice as many, and all coarser ones have four times as many.
        depth: Residual blocks at each size.
        activation: One of `ACTIVATIONS` in `jaxgen.nets.mlp`.

    Raises:
        ValueError: A size or `activation` cannot be used; at evaluation, a side of the image is outside 4 ... 64.

    >>> net, x = conv_encoder(2, width=4, depth=0), jnp.ones((4, 5, 1))
    >>> net.apply(net.init(jax.random.key(0), x), x).shape
    (2,)
    """
    check("conv_encoder", activation, depth, out=out, width=width)
    return from_linen(_Encoder(out, width, depth, activation))


def conv_decoder(shape: Sequence[int], *, width: int = 32, depth: int = 1, activation: str = "silu") -> Net:
    """Build a convolutional decoder `apply(params, z (d,), cond (c,) or None) -> shape`: `conv_encoder` backwards.

    Args:
        shape: The shape (height, width, channels) of the images, with sides from 4 to 64.
        width: Channels at the image's own size; the next size has twice as many, and all coarser ones have four times as many.
        depth: Residual blocks at each size.
        activation: One of `ACTIVATIONS` in `jaxgen.nets.mlp`.

    Raises:
        ValueError: A size or `activation` cannot be used, or a side of the image is outside 4 ... 64.

    >>> net, z = conv_decoder((4, 5, 1), width=4, depth=0), jnp.ones(2)
    >>> net.apply(net.init(jax.random.key(0), z), z).shape
    (4, 5, 1)
    """
    check("conv_decoder", activation, depth, width=width)
    sizes("conv_decoder", *shape[:2])
    return from_linen(_Decoder((shape[0], shape[1], shape[2]), width, depth, activation))
