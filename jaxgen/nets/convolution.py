"""Convolutional networks on images (height, width, channels): an encoder to a vector, and a decoder from one."""

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets.conditioned import up_to
from jaxgen.nets.conv import Conv
from jaxgen.nets.mlp import ACTIVATIONS
from jaxgen.nets.net import Net, from_linen

SMALLEST, LARGEST = 4, 64
GROUPS = 8


def sizes(height: int, width: int) -> list[tuple[int, int]]:
    """The resolutions from the image's own down to the coarsest: halved, rounded up, while both sides are at least 8, as 28, 14, 7.

    ValueError for a side outside 4 ... 64.
    """
    if not (SMALLEST <= height <= LARGEST and SMALLEST <= width <= LARGEST):
        raise ValueError(f"image of {height} x {width} pixels; accepted: {SMALLEST} to {LARGEST} on either side.")
    found = [(height, width)]
    while min(found[-1]) >= 2 * SMALLEST:
        found.append((-(-found[-1][0] // 2), -(-found[-1][1] // 2)))
    return found


def norm(h: jax.Array) -> jax.Array:
    """Group normalisation of one image `(h, w, c)`; the module takes its first axis for that of a batch. Inside a compact module only."""
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
    def __call__(self, x: jax.Array, cond: jax.Array | None = None) -> jax.Array:
        act, resolutions = ACTIVATIONS[self.activation], sizes(*x.shape[:2])
        h = Conv(self.width, (3, 3))(x)
        if cond is not None:
            h = h + nn.Dense(self.width)(cond.astype(x.dtype).ravel())[None, None]
        for level in range(len(resolutions)):
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
    def __call__(self, z: jax.Array, cond: jax.Array | None = None) -> jax.Array:
        act, resolutions = ACTIVATIONS[self.activation], sizes(*self.shape[:2])
        z = z.ravel() if cond is None else jnp.concatenate([z.ravel(), cond.astype(z.dtype).ravel()])
        channels = _channels(self.width, len(resolutions) - 1)
        h = nn.Dense(math.prod(resolutions[-1]) * channels)(z).reshape(*resolutions[-1], channels)
        for level in reversed(range(len(resolutions))):
            if level < len(resolutions) - 1:
                h = Conv(_channels(self.width, level), (3, 3))(up_to(h, *resolutions[level]))
            for _ in range(self.depth):
                h = _Block(self.activation)(h)
        return Conv(self.shape[2], (3, 3))(act(norm(h)))


def _channels(width: int, level: int) -> int:
    return width * min(2**level, 4)


def conv_encoder(out: int, *, width: int = 32, depth: int = 1, activation: str = "silu") -> Net:
    """`apply(params, x (height, width, channels), cond (c,) or None) -> (out,)`, sides from 4 to 64: residual blocks, `depth` at each size.

    `width` channels at the image's own size, twice and then four times as many at the coarser ones (`sizes`).
    Raises ValueError for sizes it cannot use, an unknown activation, or an image beyond those sides.
    """
    _check(width, depth, activation)
    checks.count("out", out)
    return from_linen(_Encoder(out, width, depth, activation))


def conv_decoder(shape: Sequence[int], *, width: int = 32, depth: int = 1, activation: str = "silu") -> Net:
    """`apply(params, z (d,), cond (c,) or None) -> shape`, an image (height, width, channels), sides from 4 to 64; `conv_encoder` backwards."""
    _check(width, depth, activation)
    sizes(*shape[:2])
    return from_linen(_Decoder((shape[0], shape[1], shape[2]), width, depth, activation))


def raveled(net: Net, shape: Sequence[int] | None = None) -> Net:
    """A network on vectors, such as `mlp`, as one on arrays, which it sees raveled; its output takes the shape `shape`, where given."""
    return Net(
        lambda key, x, *inputs: net.init(key, x.ravel(), *inputs),
        lambda params, x, *inputs: _shaped(net.apply(params, x.ravel(), *inputs), shape),
    )


def _shaped(y: jax.Array, shape: Sequence[int] | None) -> jax.Array:
    return y if shape is None else y.reshape(tuple(shape))


def _check(width: Any, depth: Any, activation: Any) -> None:
    checks.count("width", width)
    checks.count("depth", depth, 0)
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation={activation!r}; accepted: {', '.join(ACTIVATIONS)}.")
