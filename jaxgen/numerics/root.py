"""Inversion of increasing scalar functions, differentiable by the implicit function theorem in both modes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def monotone_root(f: Callable[[Any, jax.Array], jax.Array], theta: Any, target: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """The scalar `x` in `[low, high]` with `f(theta, x) = target`, for `f` increasing in `x`.

    Newton steps that fall outside the shrinking bracket are replaced by bisection. The derivative with respect to `theta` and `target`
    is that of the implicit function theorem, `dx = (dtarget - df/dtheta dtheta) / (df/dx)`; the bracket has none.
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
        low, high, x, moved, i = state
        return (moved > 2 * eps * (1 + jnp.abs(x))) & (high - low > 2 * eps * (1 + jnp.abs(x))) & (i < 100)

    def step(state: Any) -> Any:
        low, high, x, _, i = state
        value, slope = value_and_slope(x)
        low, high = jnp.where(value <= 0, x, low), jnp.where(value >= 0, x, high)
        newton = x - value / slope
        # NaN and infinite steps fail the comparison too, so they bisect.
        new = jnp.where((newton >= low) & (newton <= high), newton, low + 0.5 * (high - low))
        return low, high, new, jnp.abs(new - x), i + 1

    middle = low + 0.5 * (high - low)
    return jax.lax.while_loop(unfinished, step, (low, high, middle, jnp.full_like(middle, jnp.inf), 0))[2]
