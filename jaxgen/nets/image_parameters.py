"""The small convolutional network of a coupling over images."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.nets.conv import Conv
from jaxgen.nets.mlp import ACTIVATIONS, check
from jaxgen.nets.net import Net, from_linen
from jaxgen.nets.pixels import compute_dtype, image_shape


class _ImageParameters(nn.Module):
    out: int
    width: int
    depth: int
    activation: str
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, cond: jax.Array | None = None) -> jax.Array:
        height, width, _ = image_shape(x)
        if self.out % (height * width):
            raise ValueError(f"outputs={self.out}; accepted: a multiple of the {height} x {width} pixels of the event.")
        h = Conv(self.width, (3, 3), dtype=self.dtype)(x)
        if cond is not None:
            h = h + nn.Dense(self.width, use_bias=False, dtype=self.dtype)(cond.astype(x.dtype).ravel())[None, None]
        for _ in range(self.depth):
            h = nn.Dense(self.width, dtype=self.dtype)(ACTIVATIONS[self.activation](h))
        zero = nn.initializers.zeros
        h = Conv(self.out // (height * width), (3, 3), kernel_init=zero, dtype=self.dtype)(ACTIVATIONS[self.activation](h))
        return jnp.moveaxis(h, -1, 0).ravel().astype(x.dtype)


def image_parameters(out: int, *, width: int = 64, depth: int = 1, activation: str = "relu", dtype: str = "float32") -> Net:
    """`apply(params, x (h, w, c), cond (k,) or None) -> (out,)`: `out / (h w)` planes of numbers a pixel, plane after plane.

    A 3 x 3 convolution, `depth` of 1 x 1 and one of 3 x 3 that starts at zero (arXiv 1807.03039, section 3.3). Raises ValueError for an `out`
    that is not a multiple of the number of pixels. `dtype` "bfloat16" computes in it, with params and outputs in float32.
    """
    check(out, width, depth, activation)
    return from_linen(_ImageParameters(out, width, depth, activation, compute_dtype(dtype)))
