"""Products of positive matrices in logarithms."""

import jax
import jax.numpy as jnp


def log_matvec(log_matrix: jax.Array, log_vector: jax.Array) -> jax.Array:
    """Return `log(exp(log_matrix) @ exp(log_vector))` without overflow.

    A plain `logsumexp` also provides for infinities and signs, which a monotone network does not need and which cost compile time.

    Args:
        log_matrix: The logarithms of a matrix `(m, n)`, all finite.
        log_vector: The logarithms of a vector `(n,)`, all finite.

    Returns:
        The logarithms of the product `(m,)`.
    """
    terms = log_matrix + log_vector[None, :]
    most = jax.lax.stop_gradient(jnp.max(terms, axis=1))
    return most + jnp.log(jnp.sum(jnp.exp(terms - most[:, None]), axis=1))
