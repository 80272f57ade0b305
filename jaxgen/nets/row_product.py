"""The product of tokens and a kernel, written so that a CPU computes the kernel's gradient by its fast matrix product."""

from typing import Any

import jax
import jax.numpy as jnp

TOKENS = 2
"""The rank of an event of tokens, (n, c)."""


def row_product(x: jax.Array, kernel: jax.Array, dimension_numbers: Any, precision: Any = None, preferred_element_type: Any = None) -> jax.Array:
    """Return `x @ kernel` of tokens `(n, c)`, for `flax.linen.Dense(dot_general=row_product)`.

    The kernel is turned before the product. In a batch of events its gradient is then a product of two plain matrices; written as usual it
    becomes one of a turned matrix, which XLA computes three times as slowly on a CPU. The barrier keeps XLA from turning it back.

    Args:
        x: Tokens `(n, c)`, or an array of another rank, for which this is `jax.lax.dot_general`.
        kernel: A kernel `(c, m)`.
        dimension_numbers: What is contracted: the last axis of `x` and the first one of `kernel`.
        precision: As for `jax.lax.dot_general`.
        preferred_element_type: As for `jax.lax.dot_general`.

    >>> x, kernel = jnp.arange(6.0).reshape(3, 2), jnp.asarray([[1.0, 2.0], [3.0, 4.0]])
    >>> bool(jnp.allclose(row_product(x, kernel, (((1,), (0,)), ((), ()))), x @ kernel))
    True
    """
    options = {"precision": precision, "preferred_element_type": preferred_element_type}
    if x.ndim != TOKENS or kernel.ndim != TOKENS:
        return jax.lax.dot_general(x, kernel, dimension_numbers, **options)
    return jax.lax.dot_general(x, jax.lax.optimization_barrier(jnp.transpose(kernel)), (((1,), (1,)), ((), ())), **options)
