"""The protocol of a scalar bijector, the affine one, and table look-ups with a cheap gradient."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks


class Scalar(NamedTuple):
    """An increasing bijector of one number.

    num_params: length of `theta`, unconstrained; `theta = 0` is a sensible start.
    forward:    `(theta, z) -> (x, log dx/dz)`;  inverse: `(theta, x) -> (z, log dz/dx)`.
    elementwise: whether both also take many numbers at once, `theta` `(num_params, *shape)` and `z` `(*shape)`.
    """

    num_params: int
    forward: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
    inverse: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
    elementwise: bool = False

    def over(self, function: Any) -> Any:
        """`function`, which is `forward` or `inverse`, over `theta` `(num_params, *shape)` and numbers `(*shape)`."""
        if self.elementwise:
            return function

        def by_vmap(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
            mapped = function
            for _ in z.shape:
                mapped = jax.vmap(mapped, -1, -1)
            return mapped(theta, z)

        return by_vmap


def scale_and_shift(max_log_scale: float = 3.0) -> Scalar:
    """`x = shift + exp(s) z` with `|s| < max_log_scale` by a tanh, so that no layer alone can overflow (arXiv 1605.08803, eq. 4).

    Raises ValueError for a `max_log_scale` that is not positive.
    """
    checks.number("scale_and_shift: max_log_scale", max_log_scale, above=0)

    def log_scale(theta: jax.Array) -> jax.Array:
        return max_log_scale * jnp.tanh(theta[1] / max_log_scale)

    def forward(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        s = log_scale(theta)
        return theta[0] + jnp.exp(s) * z, s

    def inverse(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        s = log_scale(theta)
        return (x - theta[0]) * jnp.exp(-s), -s

    return Scalar(2, forward, inverse, elementwise=True)


def lookup(table: jax.Array, index: Any) -> jax.Array:
    """`table[index]`, of tables side by side `(k, *shape)` and indices `(*shape)`; 0 beside the table.

    A dense select: its transpose is a multiplication, where XLA's gather would be transposed into a serial scatter.
    """
    here = jax.lax.broadcasted_iota(jnp.int32, table.shape, 0) == jnp.asarray(index, jnp.int32)[None]
    return jnp.sum(jnp.where(here, table, 0), 0)
