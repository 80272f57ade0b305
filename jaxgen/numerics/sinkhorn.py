"""Entropic optimal transport between two samples, by Sinkhorn's iteration in the log domain (arXiv 1306.0895; 1610.06519, section 4.4)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Plan(NamedTuple):
    """`log_plan` `(n, m)` whose rows sum to 1/n exactly; `error`, by how much its columns miss 1/m in all (L1); how many iterations it took."""

    log_plan: jax.Array
    error: jax.Array
    num_iterations: jax.Array


def sinkhorn(cost: jax.Array, epsilon: float, *, tolerance: float = 1e-3, max_iterations: int = 500) -> Plan:
    """The plan P with uniform marginals that minimises `<P, cost> + epsilon sum P log P`, for a cost `(n, m)` of any sign.

    It stops once the columns' error is below `tolerance`, or after `max_iterations`; `error` says which. The iteration starts at a large
    epsilon that halves at every step, which reaches a small one sooner. No derivative is defined through it. Raises ValueError for an
    epsilon or a tolerance that is not positive.
    """
    if not (epsilon > 0 and tolerance > 0):
        raise ValueError(f"sinkhorn(epsilon={epsilon!r}, tolerance={tolerance!r}): both must be positive.")
    cost = jax.lax.stop_gradient(cost)
    n, m = cost.shape
    last, first = jnp.asarray(epsilon, cost.dtype), jnp.maximum(jnp.max(cost) - jnp.min(cost), epsilon).astype(cost.dtype)
    log_row, log_column = -jnp.log(jnp.asarray(n, cost.dtype)), -jnp.log(jnp.asarray(m, cost.dtype))

    def rows(g: jax.Array, eps: jax.Array) -> jax.Array:
        return eps * (log_row - jax.nn.logsumexp((g[None] - cost) / eps, 1))

    def unfinished(state: Any) -> jax.Array:
        _, eps, error, count = state
        return (count < max_iterations) & ((error > tolerance) | (eps > last))

    def iteration(state: Any) -> Any:
        g, eps, _, count = state
        # An epsilon that has arrived is not halved again.
        eps = jnp.maximum(jnp.where(count > 0, 0.5, 1.0).astype(eps.dtype) * eps, last)
        spread = jax.nn.logsumexp((rows(g, eps)[:, None] - cost) / eps, 0)
        error = jnp.sum(jnp.abs(jnp.exp(g / eps + spread) - jnp.exp(log_column)))
        return eps * (log_column - spread), eps, error, count + 1

    start = (jnp.zeros(m, cost.dtype), first, jnp.asarray(jnp.inf, cost.dtype), jnp.zeros((), jnp.int32))
    g, _, error, count = jax.lax.while_loop(unfinished, iteration, start)
    return Plan((rows(g, last)[:, None] + g[None] - cost) / last, error, count)
