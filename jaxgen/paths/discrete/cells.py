"""Categories from uniform numbers: each category is a cell of [0, 1) whose width is its probability."""

import jax
import jax.numpy as jnp


def one_hot(x: jax.Array, num: int) -> jax.Array:
    """Return codes as one-hot vectors; a number that is no code becomes zeros.

    Args:
        x: Codes `(...)` of floating dtype.
        num: How many codes there are.

    Returns:
        Vectors `(..., num)` in the dtype of `x`.

    >>> one_hot(jnp.asarray([1.0, 0.5]), 3).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    return (x[..., None] == _codes(num, x)).astype(x.dtype)


def drawn(p: jax.Array, u: jax.Array) -> jax.Array:
    """Return the codes whose cells the uniform numbers `u` fall into; a category of probability 0 is never returned.

    Args:
        p: Probabilities `(..., S)`.
        u: Uniform numbers `(...)` in [0, 1).

    Returns:
        Codes `(...)` in the dtype of `u`.

    >>> drawn(jnp.asarray([[0.25, 0.75], [0.25, 0.75]]), jnp.asarray([0.2, 0.3])).tolist()
    [0.0, 1.0]
    """
    codes = _codes(p.shape[-1], u)
    # Parallel sums round each cell on its own: the last cell with mass that begins at or below u is the one that holds u.
    fits = (p > 0) & (jnp.cumsum(p, -1) - p <= u[..., None])
    first = jnp.min(jnp.where(p > 0, codes, p.shape[-1] - 1), -1)
    return jnp.maximum(jnp.max(jnp.where(fits, codes, -1), -1), first)


def middle(p: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the middles of the cells of codes, and the logarithms of the cells' widths.

    Args:
        p: Probabilities `(..., S)`.
        x: Codes `(...)`.

    Returns:
        The middles `(...)`, and log probabilities `(...)`, -inf for a code without mass or a number that is no code.

    >>> middle(jnp.asarray([0.25, 0.75]), jnp.asarray(1.0))[0].tolist()
    0.625
    """
    hot = one_hot(x, p.shape[-1])
    mass = jnp.sum(hot * p, -1)
    below = jnp.sum(hot * (jnp.cumsum(p, -1) - p), -1)
    return jnp.clip(below + 0.5 * mass, 0, 1 - jnp.finfo(p.dtype).epsneg), safe_log(mass)


def safe_log(p: jax.Array) -> jax.Array:
    """Return the logarithm, which is -inf with gradient 0 at 0."""
    some = p > 0
    return jnp.where(some, jnp.log(jnp.where(some, p, 1)), -jnp.inf)


def _codes(num: int, like: jax.Array) -> jax.Array:
    return jnp.arange(num, dtype=like.dtype).reshape(*(1,) * like.ndim, num)
