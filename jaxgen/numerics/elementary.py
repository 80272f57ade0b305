"""Elementary functions whose derivatives stay finite where the plain ones do not."""

import functools

import jax
import jax.numpy as jnp

# Coordinates up to which distances are norms of differences.
MANY = 64


def safe_norm(x: jax.Array) -> jax.Array:
    """Return the Euclidean norm over the last axis, with gradient zero (not NaN) at the origin.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen.numerics import safe_norm
    >>> jax.value_and_grad(safe_norm)(jnp.zeros(2))
    (Array(0., dtype=float32), Array([0., 0.], dtype=float32))
    """
    square = jnp.sum(x * x, -1)
    zero = square == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, square)))


def distances(a: jax.Array, b: jax.Array) -> jax.Array:
    """Return the distances between the rows of two arrays, with gradient zero (not NaN) where rows coincide.

    More than 64 coordinates are compared by inner products, because all differences would be `n m d` numbers. Rows that rounding does not
    tell apart then count as coincident: in float32 these are rows at about a thousandth of their distance to the mean of `b`.

    Args:
        a: Rows `(n, d)`.
        b: Rows `(m, d)`.

    Returns:
        `|a_i - b_j|`, `(n, m)`.

    >>> import jax.numpy as jnp
    >>> from jaxgen.numerics import distances
    >>> distances(jnp.zeros((1, 2)), jnp.asarray([[3.0, 4.0], [0.0, 0.0]]))
    Array([[5., 0.]], dtype=float32)
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


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def straight_clip(x: jax.Array, low: float, high: float) -> jax.Array:
    """Hold `x` in [low, high] with the derivative of the identity, for a value that only rounding can carry outside.

    The derivative of `jnp.clip` is zero outside and one half on an end, which is wrong for a value that belongs inside.

    Args:
        x: Numbers of any shape.
        low: The lower end.
        high: The upper end.

    Returns:
        The numbers in [low, high].

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen.numerics import straight_clip
    >>> [float(a) for a in jax.value_and_grad(lambda x: straight_clip(x, 0.0, 1.0))(jnp.asarray(1.5))]
    [1.0, 1.0]
    """
    return jnp.minimum(jnp.maximum(x, low), high)


@straight_clip.defjvp
def _(low: float, high: float, primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    return straight_clip(primals[0], low, high), tangents[0]
