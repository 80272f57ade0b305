"""The protocol of a scalar bijector, the affine one, and table look-ups with a cheap gradient."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.compiled import traced_once


class Scalar(NamedTuple):
    """Describe an increasing bijection of one number, whose parameters are an argument.

    Attributes:
        num_params: The length of `theta`, which is unconstrained; `theta = 0` is a sensible start.
        forward: `(theta, z) -> (x, log dx/dz)`.
        inverse: `(theta, x) -> (z, log dz/dx)`.
        elementwise: True if both also take many numbers at once, `theta` `(num_params, *shape)` and `z` `(*shape)`.
    """

    num_params: int
    forward: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
    inverse: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
    elementwise: bool = False

    def over(self, function: Any) -> Any:
        """Return `forward` or `inverse`, given as `function`, over `theta` `(num_params, *shape)` and numbers `(*shape)`."""
        if self.elementwise:
            return function

        def by_vmap(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
            mapped = function
            for _ in z.shape:
                mapped = jax.vmap(mapped, -1, -1)
            return mapped(theta, z)

        return by_vmap

    def each(self, function: Any) -> Any:
        """Return `forward` or `inverse`, given as `function`, over `theta` `(*shape, num_params)` and numbers `(*shape)`."""

        def apply(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
            # Mapped number by number XLA sees arrays whose last axis is 1, over which it uses no vectors: half of a `maf`'s density.
            if self.elementwise:
                return function(jnp.moveaxis(theta, -1, 0), z)
            mapped = function
            for _ in z.shape:
                mapped = jax.vmap(mapped)
            return mapped(theta, z)

        return apply


def scale_and_shift(max_log_scale: float = 3.0) -> Scalar:
    """Build the affine map `x = shift + exp(s) z` with `|s| < max_log_scale` by a tanh, so that no layer alone can overflow.

    Args:
        max_log_scale: The largest logarithm of a scale, above 0.

    Returns:
        A Scalar with two parameters: the shift and the raw log scale.

    Raises:
        ValueError: `max_log_scale` is not positive.

    Source: arXiv 1605.08803, eq. 4.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> transforms.scale_and_shift().forward(jnp.asarray([1.0, 0.0]), jnp.asarray(0.5))
    (Array(1.5, dtype=float32), Array(0., dtype=float32))
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

    return Scalar(2, traced_once(forward), traced_once(inverse), elementwise=True)


def lookup(table: jax.Array, index: Any) -> jax.Array:
    """Return `table[index]` for tables side by side, and 0 for an index outside the table.

    It is a dense select: its transpose is a multiplication, where XLA would transpose a gather into a serial scatter.

    Args:
        table: The tables `(k, *shape)`.
        index: The indices `(*shape)`.

    Returns:
        The entries `(*shape)`.
    """
    here = jax.lax.broadcasted_iota(jnp.int32, table.shape, 0) == jnp.asarray(index, jnp.int32)[None]
    return jnp.sum(jnp.where(here, table, 0), 0)
