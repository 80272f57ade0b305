"""Building blocks of networks on images: the rule of halving, attention over places, and normalisation of one event."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.nets.causal_attention import rotated
from jaxgen.nets.row_product import row_product
from jaxgen.types import DTypeLike


def image_shape(where: str, x: jax.Array) -> tuple[int, int, int]:
    """Return `(height, width, channels)` of an event.

    Args:
        where: The name of the calling function, for the message.
        x: An event.

    Returns:
        The three sizes.

    Raises:
        ValueError: The event is no image.
    """
    if x.ndim != 3:
        raise ValueError(f"{where}: event of shape {x.shape}; accepted: an image (height, width, channels).")
    height, width, channels = x.shape
    return height, width, channels


def resolutions(height: int, width: int, most: int, smallest: int = 7) -> list[tuple[int, int]]:
    """Return the sizes that a network goes through, from the image's own to the coarsest.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        most: The largest number of sizes.
        smallest: A size is halved, rounding up, while both sides have at least so many pixels. The default, 7, leaves at least 4.

    >>> resolutions(28, 28, 3)
    [(28, 28), (14, 14), (7, 7)]
    >>> resolutions(28, 6, 3)
    [(28, 6)]
    """
    sizes = [(height, width)]
    while len(sizes) < most and min(sizes[-1]) >= smallest:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def up_to(h: jax.Array, height: int, width: int) -> jax.Array:
    """Repeat each place twice along both sides and cut, the inverse of halving.

    Args:
        h: Features `(H, W, C)`.
        height: The height to cut to, at most 2 H.
        width: The width to cut to, at most 2 W.

    Returns:
        Features `(height, width, C)`.
    """
    return jnp.repeat(jnp.repeat(h, 2, 0), 2, 1)[:height, :width]


def folded(x: jax.Array, side: int) -> jax.Array:
    """Fold squares of pixels into channels, after padding with zeros below and to the right so that squares fit.

    Args:
        x: An image `(H, W, C)`.
        side: The side of a square in pixels.

    Returns:
        Features `(ceil(H / side), ceil(W / side), side^2 C)`.

    >>> folded(jnp.arange(6.0).reshape(2, 3, 1), 2).tolist()
    [[[0.0, 1.0, 3.0, 4.0], [2.0, 0.0, 5.0, 0.0]]]
    """
    height, width, channels = x.shape
    rows, columns = -(-height // side), -(-width // side)
    padded = jnp.pad(x, ((0, rows * side - height), (0, columns * side - width), (0, 0)))
    return padded.reshape(rows, side, columns, side, channels).swapaxes(1, 2).reshape(rows, columns, side * side * channels)


def unfolded(h: jax.Array, side: int, height: int, width: int) -> jax.Array:
    """Lay channels out as squares of pixels and cut to `(height, width)`, the inverse of `folded`.

    Args:
        h: Features `(rows, columns, side^2 C)`.
        side: The side of a square in pixels.
        height: The height to cut to, at most `side * rows`.
        width: The width to cut to, at most `side * columns`.

    Returns:
        An image `(height, width, C)`.
    """
    rows, columns, channels = h.shape[0], h.shape[1], h.shape[2] // side**2
    whole = h.reshape(rows, columns, side, side, channels).swapaxes(1, 2).reshape(rows * side, columns * side, channels)
    return whole[:height, :width]


class Attention(nn.Module):
    """Attend from all places of `h` `(n, c)` to all places, in heads of `c / num_heads` channels.

    Attributes:
        num_heads: The number of heads, a divisor of `c`.
        dtype: The dtype of the computation; None computes in that of `h`. The softmax is computed in float32 at least.
        zero: Start as the zero function.
    """

    num_heads: int
    dtype: DTypeLike | None = None
    zero: bool = True

    @nn.compact
    def __call__(self, h: jax.Array, angles: jax.Array | None = None) -> jax.Array:
        """Map `(n, c)` to `(n, c)`; `angles` `(n, c / num_heads / 2)` rotate queries and keys by their places."""
        n, c = h.shape
        heads = nn.Dense(3 * c, dtype=self.dtype, dot_general=row_product)(h).reshape(n, 3 * self.num_heads, -1)
        qk, v = jnp.split(heads, [2 * self.num_heads], 1)
        q, k = jnp.split(qk if angles is None else rotated(qk, angles), 2, 1)
        # A sum over hundreds of places has no digits left in bfloat16.
        logits = jnp.einsum("qhd,khd->hqk", q, k).astype(jnp.promote_types(q.dtype, jnp.float32)) / math.sqrt(q.shape[-1])
        mixed = jnp.einsum("hqk,khd->qhd", jax.nn.softmax(logits, -1).astype(v.dtype), v).reshape(n, c)
        init = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
        return nn.Dense(c, kernel_init=init, dtype=self.dtype, dot_general=row_product)(mixed)


class GroupNorm(nn.Module):
    """Normalise groups of channels of one image `(H, W, C)` (arXiv 1803.08494).

    A group has at least four channels where C allows, and there are at most 32 groups. Moments are computed in float32 at least.
    """

    affine: bool = True

    @nn.compact
    def __call__(self, h: jax.Array) -> jax.Array:
        height, width, c = h.shape
        groups = max(g for g in range(1, min(32, max(1, c // 4)) + 1) if c % g == 0)
        a = h.astype(jnp.promote_types(h.dtype, jnp.float32)).reshape(height, width, groups, -1)
        a = a - jnp.mean(a, (0, 1, 3), keepdims=True)
        a = (a * jax.lax.rsqrt(jnp.mean(a**2, (0, 1, 3), keepdims=True) + 1e-5)).reshape(h.shape).astype(h.dtype)
        if not self.affine:
            return a
        scale, bias = self.param("scale", nn.initializers.ones, (c,)), self.param("bias", nn.initializers.zeros, (c,))
        return a * scale.astype(h.dtype) + bias.astype(h.dtype)
