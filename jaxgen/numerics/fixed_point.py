"""The root of `x + g(x) = target` for a contraction `g`, differentiable by the implicit function theorem in both modes."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

Map = Callable[[jax.Array], jax.Array]


def contraction_root(g: Map, target: jax.Array, lipschitz: float) -> jax.Array:
    """Solve `x + g(x) = target` for a contraction g, by the iteration `x <- target - g(x)`.

    Banach's theorem bounds the number of steps by the dtype's precision, a few hundred for a Lipschitz constant of 0.9. A solve stops once
    a step moves less than rounding does. The derivatives with respect to `target` and to whatever `g` closes over solve
    `(I + dg/dx) v = rhs` in the same way, so that no iterate is kept in memory.

    Args:
        g: A map `(*shape) -> (*shape)`.
        target: The right-hand side, of any shape.
        lipschitz: A bound on the Lipschitz constant of `g`, in (0, 1).

    Returns:
        The root, shaped as `target`.

    Source: arXiv 1811.00995, algorithm 1.

    >>> import jax.numpy as jnp
    >>> from jaxgen.numerics import contraction_root
    >>> root = contraction_root(lambda x: 0.5 * x, jnp.asarray([3.0]), 0.5)
    >>> bool(jnp.allclose(root, 2.0))
    True
    """

    def solve(_: Map, guess: jax.Array) -> jax.Array:
        return _iterate(lambda x: target - g(x), guess, lipschitz)[0]

    def tangent_solve(linear: Map, rhs: jax.Array) -> jax.Array:
        # `linear` and its transpose are both the identity plus a map of norm at most `lipschitz`.
        def neumann(matvec: Map, b: jax.Array) -> jax.Array:
            return _iterate(lambda v: b - (matvec(v) - v), b, lipschitz)[0]

        return jax.lax.custom_linear_solve(linear, rhs, neumann, neumann)

    return jax.lax.custom_root(lambda x: x + g(x) - target, target, solve, tangent_solve)


def contraction_steps(g: Map, target: jax.Array, lipschitz: float) -> jax.Array:
    """Return how many evaluations of `g` the solve of `contraction_root` takes.

    Args:
        g: A map `(*shape) -> (*shape)`.
        target: The right-hand side, of any shape.
        lipschitz: A bound on the Lipschitz constant of `g`, in (0, 1).

    Returns:
        The number of evaluations, an int32 scalar.
    """
    return _iterate(lambda x: target - g(x), target, lipschitz)[1]


def _iterate(step: Map, start: jax.Array, lipschitz: float) -> tuple[jax.Array, jax.Array]:
    eps = float(jnp.finfo(start.dtype).eps)
    most = math.ceil(math.log(eps) / math.log(lipschitz)) + 8

    def unfinished(state: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        x, moved, i = state
        size = jnp.abs(x)
        return jnp.any(moved > eps * (size + jnp.minimum(jnp.max(size), 1))) & (i < most)

    def again(state: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        x, _, i = state
        new = step(x)
        return new, jnp.abs(new - x), i + 1

    x, _, steps = jax.lax.while_loop(unfinished, again, (start, jnp.full_like(start, jnp.inf), jnp.zeros((), jnp.int32)))
    return x, steps
