"""The small convolutional network of a coupling layer over images."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.nets.conv_layer import Conv
from jaxgen.nets.image_blocks import image_shape
from jaxgen.nets.mlp import ACTIVATIONS, check
from jaxgen.nets.net import Net, from_linen
from jaxgen.nets.precision import compute_dtype
from jaxgen.types import Cond, DTypeLike


class _CouplingCNN(nn.Module):
    out: int
    width: int
    depth: int
    activation: str
    dtype: DTypeLike | None

    @nn.compact
    def __call__(self, x: jax.Array, cond: Cond = None) -> jax.Array:
        height, width, _ = image_shape("coupling_cnn", x)
        if self.out % (height * width):
            raise ValueError(f"coupling_cnn: out={self.out}; accepted: a multiple of the {height} x {width} pixels of the event.")
        h = Conv(self.width, (3, 3), dtype=self.dtype)(x)
        if cond is not None:
            h = h + nn.Dense(self.width, use_bias=False, dtype=self.dtype)(cond.astype(x.dtype).ravel())[None, None]
        for _ in range(self.depth):
            h = nn.Dense(self.width, dtype=self.dtype)(ACTIVATIONS[self.activation](h))
        zero = nn.initializers.zeros
        h = Conv(self.out // (height * width), (3, 3), kernel_init=zero, dtype=self.dtype)(ACTIVATIONS[self.activation](h))
        return jnp.moveaxis(h, -1, 0).ravel().astype(x.dtype)


def coupling_cnn(out: int, *, width: int = 64, depth: int = 1, activation: str = "relu", dtype: str | None = None) -> Net:
    """Build the network of Glow's couplings: a 3 x 3 convolution, `depth` layers of 1 x 1, and a 3 x 3 convolution that starts at zero.

    The network is `apply(params, x (h, w, c), cond (k,) or None) -> (out,)`: `out / (h w)` planes, plane after plane.

    Args:
        out: The number of outputs, a multiple of the number of pixels.
        width: Hidden channels.
        depth: Hidden layers of 1 x 1.
        activation: One of `ACTIVATIONS` in `jaxgen.nets.mlp`.
        dtype: "bfloat16" or "float32" computes in it; None computes in the dtype of the events. Parameters and outputs keep theirs.

    Raises:
        ValueError: A size is below 1, `activation` or `dtype` is unknown; at evaluation, `out` is no multiple of the pixels.

    Source: arXiv 1807.03039, section 3.3.

    >>> net, x = coupling_cnn(8, width=4), jnp.ones((2, 2, 1))
    >>> net.apply(net.init(jax.random.key(0), x), x).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    check("coupling_cnn", activation, depth, out=out, width=width)
    return from_linen(_CouplingCNN(out, width, depth, activation, compute_dtype("coupling_cnn", dtype)))
