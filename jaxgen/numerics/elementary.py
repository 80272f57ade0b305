"""Elementary functions whose derivatives stay finite where the plain ones do not."""

import jax
import jax.numpy as jnp

# Coordinates up to which distances are norms of differences.
MANY = 64


def safe_norm(x: jax.Array) -> jax.Array:
    """Euclidean norm over the last axis, with gradient zero (not NaN) at the origin."""
    square = jnp.sum(x * x, -1)
    zero = square == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, square)))


def distances(a: jax.Array, b: jax.Array) -> jax.Array:
    """`|a_i - b_j|` `(n, m)` for rows `(n, d)` and `(m, d)`, with gradient zero (not NaN) where rows coincide.

    Of more than 64 coordinates by inner products, where all differences would be `n m d` numbers; rows that rounding does not tell apart,
    in float32 at about a thousandth of their distance to the middle of `b`, then count as coincident.
    """
    if a.shape[1] <= MANY:
        return safe_norm(a[:, None] - b[None])
    # Around the middle of b less is cancelled. In full precision, as a GPU's shorter products would leave three digits of the squares.
    middle = jax.lax.stop_gradient(jnp.mean(b, 0))
    a, b = a - middle, b - middle
    scale = jnp.sum(a * a, 1)[:, None] + jnp.sum(b * b, 1)[None]
    square = scale - 2 * jnp.matmul(a, b.T, precision="highest")
    apart = square > 8 * jnp.finfo(square.dtype).eps * scale
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, square, 1)), 0)
