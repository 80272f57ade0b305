"""Triangular systems and Cholesky factors of a matrix for each event, in XLA's own operations."""

import jax
import jax.numpy as jnp


def solve_lower(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """Solve `matrix @ x = right` for a lower triangular matrix by substitution.

    Under vmap LAPACK splits a batch over the threads of the device and waits for them within one of these threads; with as many host devices
    as threads all wait, and a program that is split over the devices never ends (seen with jaxlib 0.10.2 on two cores).

    Args:
        matrix: A lower triangular matrix `(d, d)`; what stands above its diagonal is not read.
        right: The right-hand side `(d,)` or `(d, k)`.

    Returns:
        The solution, of the shape of `right`.

    >>> solve_lower(jnp.array([[2.0, 9.0], [1.0, 4.0]]), jnp.array([2.0, 9.0])).tolist()
    [1.0, 2.0]
    """

    def row(i: jax.Array, x: jax.Array) -> jax.Array:
        # Entries of x from i on are still zero.
        return x.at[i].set((right[i] - matrix[i] @ x) / matrix[i, i])

    return jax.lax.fori_loop(0, matrix.shape[0], row, jnp.zeros_like(right))


def cholesky(matrix: jax.Array) -> jax.Array:
    """Return the lower triangular L with `L @ L.T = matrix`, column by column; see `solve_lower` for why it is not LAPACK's.

    Args:
        matrix: A positive definite matrix `(d, d)`.

    Returns:
        L `(d, d)`; NaN for a matrix that is not positive definite.

    >>> cholesky(jnp.array([[4.0, 2.0], [2.0, 10.0]])).tolist()
    [[2.0, 0.0], [1.0, 3.0]]
    """
    index = jnp.arange(matrix.shape[0])

    def column(j: jax.Array, lower: jax.Array) -> jax.Array:
        # Columns from j on are still zero.
        rest = matrix[:, j] - lower @ lower[j]
        return lower.at[:, j].set(jnp.where(index >= j, rest / jnp.sqrt(rest[j]), 0))

    return jax.lax.fori_loop(0, matrix.shape[0], column, jnp.zeros_like(matrix))
