"""The convolution of the networks: flax's, computed on a CPU as one product with patches."""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


def convolved(
    x: jax.Array,
    kernel: jax.Array,
    window_strides: Any,
    padding: Any,
    lhs_dilation: Any = None,
    rhs_dilation: Any = None,
    **options: Any,
) -> jax.Array:
    """`lax.conv_general_dilated` of images `(n, h, w, c)` as flax calls it.

    On a CPU the patches beside each other times the kernel as a matrix. XLA brings convolutions into the order its fast code wants in a
    program's outermost computation only: within a loop, such as `fit`'s over steps, the gradient by the kernel took six times as long.
    """
    plain = kernel.ndim == 4 and all(math.prod(d or (1,)) == 1 for d in (lhs_dilation, rhs_dilation)) and x.shape[-1] == kernel.shape[2]
    if jax.default_backend() != "cpu" or not plain:
        return jax.lax.conv_general_dilated(
            x, kernel, window_strides, padding, lhs_dilation=lhs_dilation, rhs_dilation=rhs_dilation, **options
        )
    (height, width), (down, across) = kernel.shape[:2], window_strides
    pads = jax.lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], window_strides, padding) if isinstance(padding, str) else padding
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = (1 + (n - k) // s for n, k, s in zip(padded.shape[1:3], (height, width), (down, across), strict=True))
    corners = [(i, j) for i in range(height) for j in range(width)]
    patches = [padded[:, i : i + (rows - 1) * down + 1 : down, j : j + (columns - 1) * across + 1 : across] for i, j in corners]
    return jnp.concatenate(patches, -1) @ kernel.reshape(-1, kernel.shape[3])


Conv = functools.partial(nn.Conv, conv_general_dilated=convolved)
"""`nn.Conv`, with the same params."""
