"""Inversion of increasing scalar functions, differentiable by the implicit function theorem in both modes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

# Every second step at least halves the bracket or the last step; 150 are more than float64 has use for.
MOST_STEPS = 300


def monotone_root(f: Callable[[Any, jax.Array], jax.Array], theta: Any, target: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """Find the scalar `x` in `[low, high]` with `f(theta, x) = target`, for `f` increasing in `x`.

    Newton steps that leave the shrinking bracket, or do not shrink themselves, are replaced by bisection. The derivative with respect to
    `theta` and `target` is that of the implicit function theorem, `dx = (dtarget - df/dtheta dtheta) / (df/dx)`; the bracket has none.

    Args:
        f: `(theta, x) -> scalar`, increasing in the scalar `x`.
        theta: Any pytree of arrays.
        target: The scalar that `f` has to reach.
        low: The lower end of an interval that holds the root.
        high: The upper end of that interval.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen.numerics import monotone_root
    >>> root = lambda y: monotone_root(lambda _, x: x**3, (), y, jnp.asarray(0.0), jnp.asarray(10.0))
    >>> [round(float(a), 4) for a in jax.value_and_grad(root)(jnp.asarray(8.0))]
    [2.0, 0.0833]
    """

    # The bracket is an argument: a custom rule must not close over values that a surrounding scan is tracing.
    @jax.custom_jvp
    def root(theta: Any, target: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
        return _newton_in_bracket(lambda x: f(theta, x) - target, low, high)

    @root.defjvp
    def root_jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
        theta, target, low, high = primals
        x = root(theta, target, low, high)
        slope = jax.grad(f, argnums=1)(theta, x)
        _, through_theta = jax.jvp(lambda th: f(th, x), (theta,), (tangents[0],))
        return x, (tangents[1] - through_theta) / slope

    return root(theta, target, *jax.lax.stop_gradient((low, high)))


def _newton_in_bracket(f: Callable[[jax.Array], jax.Array], low: jax.Array, high: jax.Array) -> jax.Array:
    value_and_slope = jax.value_and_grad(f)
    eps = jnp.finfo(low.dtype).eps

    def unfinished(state: Any) -> jax.Array:
        low, high, x, moved, _, i = state
        return (moved > 2 * eps * (1 + jnp.abs(x))) & (high - low > 2 * eps * (1 + jnp.abs(x))) & (i < MOST_STEPS)

    def step(state: Any) -> Any:
        low, high, x, moved, before, i = state
        value, slope = value_and_slope(x)
        low, high = jnp.where(value <= 0, x, low), jnp.where(value >= 0, x, high)
        newton = x - value / slope
        # Steps that do not halve within two may crawl or swing from side to side (Numerical Recipes, section 9.4). NaN and infinite ones
        # fail the comparisons too, so they bisect.
        good = (newton >= low) & (newton <= high) & (2 * jnp.abs(newton - x) <= before)
        new = jnp.where(good, newton, low + 0.5 * (high - low))
        return low, high, new, jnp.abs(new - x), moved, i + 1

    middle, wide = low + 0.5 * (high - low), jnp.full_like(low, jnp.inf)
    return jax.lax.while_loop(unfinished, step, (low, high, middle, wide, wide, 0))[2]
