"""The convolutional layer of all networks: flax's, computed on a CPU as one product with patches."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.compiled import platform

Padding = str | Sequence[tuple[int, int]]


def convolved(
    x: jax.Array,
    kernel: jax.Array,
    window_strides: Sequence[int],
    padding: Padding,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    **options: Any,
) -> jax.Array:
    """Compute `lax.conv_general_dilated` of images `(n, h, w, c)`, with the arguments with which flax calls it.

    On a CPU the result is a product of the patches with the kernel as a matrix. XLA brings a convolution into the memory layout of its
    fast code in a program's outermost computation only: within a loop, such as the loop of `fit` over steps, the gradient with respect
    to the kernel took six times as long.

    Args:
        x: Images `(n, h, w, c)`.
        kernel: The kernel `(height, width, c, out)`.
        window_strides: The stride of rows and of columns.
        padding: "SAME", "VALID", or `(before, after)` for rows and for columns.
        lhs_dilation: Dilation of the images. XLA computes dilated convolutions on a CPU too.
        rhs_dilation: Dilation of the kernel. XLA computes dilated convolutions on a CPU too.
        options: Further arguments of `lax.conv_general_dilated`.
    """
    plain = kernel.ndim == 4 and all(math.prod(d or (1,)) == 1 for d in (lhs_dilation, rhs_dilation)) and x.shape[-1] == kernel.shape[2]
    if platform() != "cpu" or not plain:
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
"""`nn.Conv`, with the same parameters."""
