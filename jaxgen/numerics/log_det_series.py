"""log det(I + J) of a contraction without its Jacobian: an unbiased estimate from a randomly truncated power series (arXiv 1906.02735)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Map = Callable[[Any, jax.Array], jax.Array]


def roulette_log_det(g: Map, theta: Any, x: jax.Array, key: jax.Array, num_terms: int, survival: float) -> tuple[jax.Array, jax.Array]:
    """Return `g(theta, x)` and an unbiased estimate of `log det(I + dg/dx)`, for a g with a Lipschitz constant below one in x.

    With the Jacobian J the series is `sum_k (-1)^(k+1) tr(J^k) / k`, with one Rademacher probe for every trace. The first `num_terms` terms
    are always taken. Each further term is reached with probability `survival` and divided by the probability of reaching it (eq. 6), so
    the mean of the estimate is the whole series. Its variance is finite if `survival > lipschitz^2`.

    The derivatives, in both modes, are unbiased estimates of the derivatives of the log-determinant. They come from the series of
    `(I + J)^-1` with the same truncation (eq. 8), so that no term is kept in memory. They are not the derivatives of the estimate, and
    second derivatives are not defined in this way.

    Args:
        g: `(theta, x) -> y` with `y` shaped as `x`.
        theta: The params of `g`, any pytree.
        x: A point of any shape.
        key: A random key for the probe and the truncation.
        num_terms: The number of terms that are always taken, at least 1.
        survival: The probability that a further term is followed by another, in (0, 1).

    Returns:
        `g(theta, x)` and the estimate, a scalar.

    Source: arXiv 1906.02735, eq. 6 and 8.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen.numerics import roulette_log_det
    >>> y, log_det = roulette_log_det(lambda theta, x: theta * x, 0.0, jnp.ones(2), jax.random.key(0), 4, 0.5)
    >>> float(log_det)
    0.0
    """
    key_probe, key_length = jax.random.split(key)
    probe = jax.random.rademacher(key_probe, x.shape, x.dtype)
    # P(more > n) = survival^(n + 1).
    uniform = jax.random.uniform(key_length, (), x.dtype, jnp.finfo(x.dtype).tiny)
    more = jnp.floor(jnp.log(uniform) / jnp.log(jnp.asarray(survival, x.dtype)))
    # Stopped at its inputs: a loop of unknown length has no transpose, even where its result is not differentiated.
    fixed = jax.lax.stop_gradient((theta, x))
    value, row = _series(lambda x: g(fixed[0], x), fixed[1], probe, num_terms, num_terms + more, survival)
    y, along = jax.jvp(lambda x: g(theta, x), (x,), (probe,))
    surrogate = jnp.sum(row * along)
    return y, value + surrogate - jax.lax.stop_gradient(surrogate)


def _series(
    g: Callable[[jax.Array], jax.Array], x: jax.Array, probe: jax.Array, num_terms: int, last: jax.Array, survival: float
) -> tuple[jax.Array, jax.Array]:
    """Return the estimate, and `sum_k (-1)^k probe^T J^k / P(k reached)`, whose product with `dJ probe` is the derivative."""
    pullback = jax.vjp(g, x)[1]
    zero = jnp.zeros((), x.dtype)

    def unfinished(state: Any) -> jax.Array:
        return state[0] <= last

    def term(state: Any) -> Any:
        k, power, sign, weight, value, row = state
        row = row + sign * weight * power
        power = pullback(power)[0]
        value = value + sign * weight / k * jnp.sum(power * probe)
        weight = jnp.where(k >= num_terms, weight / survival, weight)
        return k + 1, power, -sign, weight, value, row

    one = jnp.ones((), x.dtype)
    return jax.lax.while_loop(unfinished, term, (one, probe, one, one, zero, jnp.zeros_like(x)))[4:]
