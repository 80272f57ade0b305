"""The Sylvester transform: several planar bends at once, in orthogonal directions."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.numerics import monotone_root
from jaxgen.numerics.small_matrices import solve_lower
from jaxgen.transform import Transform
from jaxgen.transforms.linear.amortised import Theta, amortised
from jaxgen.transforms.linear.orthogonal import reflections
from jaxgen.types import Key

# The slope of each bend stays above 1e-3, as the slope of a planar transform does.
_BOUND = 0.999**0.5


def sylvester(num_bends: int = 4, *, net: Callable[[int], Net] | None = None) -> Transform:
    """Build the Sylvester map `x = z + Q A tanh(B Q^T z + b)` on events `(d,)`: several planar bends in orthogonal directions.

    `Q` `(d, m)` has orthonormal columns from Householder reflections, with `m = min(num_bends, d)`. `A` and `B` `(m, m)` are upper
    triangular with diagonals in (-1, 1) by a tanh, so that every `1 + A_ii B_ii tanh'` is positive; their product over i is the
    determinant. The inverse solves for `y = Q^T z` by back substitution, with a scalar root for each bend; its derivatives follow from the
    implicit function theorem.

    Args:
        num_bends: How many bends there are; at most d of them are used.
        net: `net(num_outputs)` returns a network of the condition that moves all params. None ignores a condition.

    Returns:
        An EXACT transform. Its params are `{"theta": {"vectors": (m, d), "a", "b_matrix": (m, m), "b": (m,)}}`, with a network and a
        condition also `"net"`.

    Raises:
        ValueError: `num_bends` is below 1.

    Source: arXiv 1803.05649, equation 13 (its R and R~ are `A` and `B` here), theorem 2 and section 4.2.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> theta = {"vectors": jnp.asarray([[1.0, 0.0]]), "a": jnp.ones((1, 1)), "b_matrix": jnp.ones((1, 1)), "b": jnp.zeros(1)}
    >>> transforms.sylvester(1).forward({"theta": theta}, jnp.asarray([0.0, 5.0])).tolist()
    [0.0, 5.0]
    """
    checks.count("sylvester: num_bends", num_bends)

    def start(key: Key, z: jax.Array) -> Theta:
        d, m = z.shape[0], min(num_bends, z.shape[0])
        key_vectors, key_matrices = jax.random.split(key)
        a, b = 0.3 * jax.random.normal(key_matrices, (2, m, m), z.dtype)
        return {"vectors": jax.random.normal(key_vectors, (m, d), z.dtype), "a": a, "b_matrix": b, "b": jnp.zeros((m,), z.dtype)}

    def factors(theta: Theta) -> tuple[jax.Array, jax.Array, jax.Array]:
        return reflections(theta["vectors"], theta["b"].shape[0]), _bounded_diagonal(theta["a"]), _bounded_diagonal(theta["b_matrix"])

    def log_det(a: jax.Array, b: jax.Array, bent: jax.Array) -> jax.Array:
        return jnp.sum(jnp.log1p(jnp.diag(a) * jnp.diag(b) * (1 - bent) * (1 + bent)))

    def forward(theta: Theta, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        q, a, b = factors(theta)
        bent = jnp.tanh(b @ (q.T @ z) + theta["b"])
        return z + q @ (a @ bent), log_det(a, b, bent)

    def inverse(theta: Theta, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        q, a, b = factors(theta)
        y = _within(a, b, theta["b"], q.T @ x)
        bent = jnp.tanh(b @ y + theta["b"])
        return x - q @ (a @ bent), -log_det(a, b, bent)

    return amortised(start, forward, inverse, net, ("vectors", "a", "b_matrix", "b"))


def _bounded_diagonal(matrix: jax.Array) -> jax.Array:
    return jnp.triu(matrix, 1) + jnp.diag(_BOUND * jnp.tanh(jnp.diag(matrix)))


def _within(a: jax.Array, b: jax.Array, shift: jax.Array, target: jax.Array) -> jax.Array:
    """Return the root `y` of `y + a tanh(b y + shift) = target` for upper triangular `a` and `b`."""
    m = target.shape[0]

    def residual(y: jax.Array) -> jax.Array:
        return y + a @ jnp.tanh(b @ y + shift) - target

    def solve(_: object, guess: jax.Array) -> jax.Array:
        def coordinate(y: jax.Array, i: jax.Array) -> tuple[jax.Array, None]:
            # Coordinates not yet solved for are zero, and to the left of the diagonal both matrices are.
            a_row, b_row = a[i], b[i]
            known = shift[i] + b_row @ y
            rest = target[i] - a_row @ jnp.where(jnp.arange(m) == i, 0, jnp.tanh(b @ y + shift))
            return y.at[i].set(_bend_root(a_row[i], b_row[i], known, rest)), None

        return jax.lax.scan(coordinate, jnp.zeros_like(guess), jnp.arange(m), reverse=True)[0]

    def tangent_solve(linear: Callable[[jax.Array], jax.Array], rhs: jax.Array) -> jax.Array:
        upper = jax.vmap(linear, out_axes=1)(jnp.eye(m, dtype=rhs.dtype))
        return solve_lower(upper[::-1, ::-1], rhs[::-1])[::-1]

    return jax.lax.custom_root(residual, target, solve, tangent_solve)


def _bend_root(a: jax.Array, b: jax.Array, shift: jax.Array, target: jax.Array) -> jax.Array:
    """Return the root `y` of `y + a tanh(b y + shift) = target`, which lies within `|a|` of the target."""

    def bend(theta: tuple[jax.Array, jax.Array, jax.Array], y: jax.Array) -> jax.Array:
        return y + theta[0] * jnp.tanh(theta[1] * y + theta[2])

    return monotone_root(bend, (a, b, shift), target, target - jnp.abs(a), target + jnp.abs(a))
