"""The Sylvester transform: several planar bends at once, in orthogonal directions (arXiv 1803.05649)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from jaxgen.nets import Net
from jaxgen.numerics import monotone_root
from jaxgen.transform import Transform
from jaxgen.transforms.linear.amortised import Theta, amortised, check_count
from jaxgen.transforms.linear.orthogonal import reflections

# The slope of each bend stays above 1e-3, as a planar transform's does.
_BOUND = 0.999**0.5


def sylvester(num_bends: int = 4, *, net: Callable[[int], Net] | None = None) -> Transform:
    """`x = z + Q A tanh(B Q^T z + b)` on events `(d,)` (arXiv 1803.05649, eq. 13, where A and B are R and R~).

    `Q` `(d, m)` has orthonormal columns, `m = min(num_bends, d)`, from Householder reflections (sec. 4.2); `A`, `B` `(m, m)` are upper
    triangular with diagonals in (-1, 1) by a tanh, which keeps every `1 + A_ii B_ii tanh'` positive (theorem 2); their product over i is
    the determinant. The inverse solves for `y = Q^T z` by back substitution, one scalar monotone root a bend, and its derivatives are
    those of the implicit function theorem. With `net` a condition moves everything, as in the paper's amortised form.
    params: `{"theta": {"vectors": (m, d), "a", "b_matrix": (m, m), "b": (m,)}}` and `"net"`. ValueError unless `num_bends` >= 1.
    """
    check_count("sylvester", "num_bends", num_bends)

    def start(key: jax.Array, z: jax.Array) -> Theta:
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
    """The root `y` of `y + a tanh(b y + shift) = target` for upper triangular `a` and `b`."""
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
        return solve_triangular(jax.vmap(linear, out_axes=1)(jnp.eye(m, dtype=rhs.dtype)), rhs)

    return jax.lax.custom_root(residual, target, solve, tangent_solve)


def _bend_root(a: jax.Array, b: jax.Array, shift: jax.Array, target: jax.Array) -> jax.Array:
    """The root `y` of `y + a tanh(b y + shift) = target`, which lies within `|a|` of the target."""

    def bend(theta: tuple[jax.Array, jax.Array, jax.Array], y: jax.Array) -> jax.Array:
        return y + theta[0] * jnp.tanh(theta[1] * y + theta[2])

    return monotone_root(bend, (a, b, shift), target, target - jnp.abs(a), target + jnp.abs(a))
