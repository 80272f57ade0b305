"""Divergence of a vector field, exact or estimated, in forward mode so that it can be differentiated again in either mode."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Field = Callable[[jax.Array], jax.Array]


def divergence(f: Field, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`f(x)` and its exact divergence, the trace of the Jacobian: d forward-mode products for `x` of shape `(d,)`."""
    y, jvp = jax.linearize(f, x)
    return y, jnp.trace(jax.vmap(jvp)(jnp.eye(x.shape[0], dtype=x.dtype)))


def hutchinson(f: Field, x: jax.Array, probe: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`f(x)` and `probe^T J probe`, unbiased for the divergence where `E[probe probe^T] = I` (Hutchinson 1989; arXiv 1810.01367)."""
    y, tangent = jax.jvp(f, (x,), (probe,))
    return y, jnp.sum(probe * tangent)
