"""log det(I + J) of a contraction without its Jacobian: an unbiased estimate from a randomly truncated power series (arXiv 1906.02735)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Map = Callable[[Any, jax.Array], jax.Array]


def roulette_log_det(g: Map, theta: Any, x: jax.Array, key: jax.Array, num_terms: int, survival: float) -> tuple[jax.Array, jax.Array]:
    """`g(theta, x)` and an unbiased estimate of `log det(I + dg/dx)`, for a `g` with a Lipschitz constant below one in `x`.

    The series is `sum_k (-1)^(k+1) tr(J^k) / k` with one Rademacher probe for every trace. Its first `num_terms` terms are always taken,
    and each further one is reached with probability `survival` and divided by the probability of reaching it (eq. 6): the estimate's mean
    is that of the whole series, and its variance is finite where `survival > lipschitz^2`.

    Derivatives, in both modes, are unbiased estimates of the log-det's own, from the series of `(I + J)^-1` with the same truncation
    (eq. 8), so no term is kept in memory; they are not the derivatives of this estimate, and second derivatives are not defined so.
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
    """The estimate, and `sum_k (-1)^k probe^T J^k / P(k reached)`, whose product with `dJ probe` is its derivative."""
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
