"""Linear algebra of a small matrix for each event, in XLA's own operations."""

import jax
import jax.numpy as jnp


def solve_lower(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """Solve `matrix @ x = right` for a lower triangular matrix by substitution.

    Under vmap the LAPACK of jaxlib splits a batch over the threads of the device and waits for them within one of these threads; with as many
    host devices as threads all wait, and a program that is split over the devices never ends (seen with jaxlib 0.10.2 on two cores). A
    matrix that all events share is no batch, and goes to LAPACK.

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


def solve(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """Solve `matrix @ x = right` by elimination with the largest pivot of each column; see `solve_lower` for why it is not LAPACK's.

    Args:
        matrix: An invertible matrix `(d, d)`.
        right: The right-hand side `(d,)` or `(d, k)`.

    Returns:
        The solution, of the shape of `right`.

    >>> solve(jnp.array([[0.0, 2.0], [4.0, 0.0]]), jnp.array([6.0, 8.0])).tolist()
    [2.0, 3.0]
    """
    columns = right[:, None] if right.ndim == 1 else right
    return _eliminated(matrix, columns)[0].reshape(right.shape)


@jax.custom_jvp
def log_abs_det(matrix: jax.Array) -> jax.Array:
    """Return the logarithm of the absolute determinant of a matrix; see `solve_lower` for why it is not LAPACK's.

    Args:
        matrix: A matrix `(d, d)`.

    >>> round(float(log_abs_det(jnp.array([[0.0, 2.0], [4.0, 0.0]]))), 4)  # log 8
    2.0794
    """
    return _eliminated(matrix, matrix[:, :0])[1]


@log_abs_det.defjvp
def _(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    # Jacobi's formula: the steps of the elimination, whose states would take the memory of d matrices, are not differentiated.
    (matrix,), (tangent,) = primals, tangents
    inverse, log_det = _eliminated(matrix, jnp.eye(matrix.shape[0], dtype=matrix.dtype))
    return log_det, jnp.sum(inverse.T * tangent)


def orthonormal(rows: jax.Array) -> jax.Array:
    """Return an orthonormal basis of the space of some rows, one after another; see `solve_lower` for why it is not LAPACK's QR.

    Args:
        rows: Vectors `(r, d)`.

    Returns:
        Orthonormal vectors `(r, d)`; zero for a row that the rows before it span.

    >>> orthonormal(jnp.array([[3.0, 0.0], [1.0, 2.0]])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    def row(i: jax.Array, basis: jax.Array) -> jax.Array:
        rest = rows[i]
        for _ in range(2):  # what rounding leaves of the first projection is of the size of the row, not of the rest
            rest = rest - basis.T @ (basis @ rest)
        square, whole = rest @ rest, rows[i] @ rows[i]
        new = square > 16 * jnp.finfo(rows.dtype).eps ** 2 * whole
        return basis.at[i].set(jnp.where(new, rest / jnp.sqrt(jnp.where(new, square, 1)), 0))

    return jax.lax.fori_loop(0, rows.shape[0], row, jnp.zeros_like(rows))


def _eliminated(matrix: jax.Array, right: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The solution `(d, k)` for each column of `right`, and the logarithm of the absolute determinant."""
    d = matrix.shape[0]
    index = jnp.arange(d)

    def column(k: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        both, total = state
        pivot = jnp.argmax(jnp.where(index >= k, jnp.abs(both[:, k]), -1))
        upper, lower = both[k], both[pivot]
        both = both.at[pivot].set(upper)
        scaled = lower / lower[k]
        both = jnp.where((index == k)[:, None], scaled[None], both - both[:, k, None] * scaled[None])
        return both, total + jnp.log(jnp.abs(lower[k]))

    both, total = jax.lax.fori_loop(0, d, column, (jnp.concatenate([matrix, right], 1), jnp.zeros((), matrix.dtype)))
    return both[:, d:], total
