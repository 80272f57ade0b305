"""Products of positive matrices in logarithms."""

import jax
import jax.numpy as jnp


def log_matvec(log_matrix: jax.Array, log_vector: jax.Array) -> jax.Array:
    """`log(exp(log_matrix) @ exp(log_vector))` for `(m, n)` and `(n,)`, all finite, without overflow.

    A plain `logsumexp` also provides for infinities and signs, which a monotone network does not need and its compilation pays for.
    """
    terms = log_matrix + log_vector[None, :]
    most = jax.lax.stop_gradient(jnp.max(terms, axis=1))
    return most + jnp.log(jnp.sum(jnp.exp(terms - most[:, None]), axis=1))
