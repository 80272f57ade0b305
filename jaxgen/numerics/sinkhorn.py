"""Entropic optimal transport between two samples, by Sinkhorn's iteration in the log domain (arXiv 1306.0895; 1610.06519, section 4.4)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks


class Plan(NamedTuple):
    """Hold an entropic transport plan between n and m points.

    Attributes:
        log_plan: The logarithm of the plan `(n, m)`, whose rows sum to 1/n exactly; of `symmetric_sinkhorn`, up to the error.
        error: The sum of the absolute deviations of the column sums from 1/m, a scalar.
        num_iterations: The number of iterations, an int32 scalar.
    """

    log_plan: jax.Array
    error: jax.Array
    num_iterations: jax.Array


def sinkhorn(cost: jax.Array, epsilon: float, *, tolerance: float = 1e-3, max_iterations: int = 500) -> Plan:
    """Find the plan P with uniform marginals that minimises `<P, cost> + epsilon sum P log P`.

    The iteration starts at a large epsilon that halves at every step, which reaches a small epsilon sooner. No derivative is defined
    through it.

    Args:
        cost: The cost of each pair `(n, m)`, of any sign.
        epsilon: Weight of the entropy, above 0, in units of the cost.
        tolerance: The iteration stops once the column sums deviate from 1/m by less than this in total (L1).
        max_iterations: The iteration stops after this many steps; `Plan.error` says how far it came.

    Returns:
        The plan, its error and the number of iterations.

    Raises:
        ValueError: `epsilon` or `tolerance` is not positive, or `max_iterations` is below 1.

    Source: arXiv 1306.0895; arXiv 1610.06519, section 4.4.

    >>> import jax.numpy as jnp
    >>> from jaxgen.numerics import sinkhorn
    >>> plan = sinkhorn(jnp.asarray([[0.0, 1.0], [1.0, 0.0]]), 0.1)
    >>> jnp.round(jnp.exp(plan.log_plan), 3)
    Array([[0.5, 0. ],
           [0. , 0.5]], dtype=float32)
    """
    checks.number("sinkhorn: epsilon", epsilon, above=0)
    checks.number("sinkhorn: tolerance", tolerance, above=0)
    checks.count("sinkhorn: max_iterations", max_iterations)
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
        column = jax.nn.logsumexp((rows(g, eps)[:, None] - cost) / eps, 0)
        error = jnp.sum(jnp.abs(jnp.exp(g / eps + column) - jnp.exp(log_column)))
        return eps * (log_column - column), eps, error, count + 1

    start = (jnp.zeros(m, cost.dtype), first, jnp.asarray(jnp.inf, cost.dtype), jnp.zeros((), jnp.int32))
    g, _, error, count = jax.lax.while_loop(unfinished, iteration, start)
    return Plan((rows(g, last)[:, None] + g[None] - cost) / last, error, count)


def symmetric_sinkhorn(cost: jax.Array, epsilon: float, *, tolerance: float = 1e-3, max_iterations: int = 500) -> Plan:
    """Find the plan between n points and themselves that minimises `<P, cost> + epsilon sum P log P`, as `sinkhorn` does in more steps.

    Both potentials of the plan are one. Each step takes the mean of the potential and of its own update, which needs tens of steps where
    two potentials in turn need thousands. No derivative is defined through it.

    Args:
        cost: The cost of each pair `(n, n)`, symmetric.
        epsilon: Weight of the entropy, above 0, in units of the cost.
        tolerance: The iteration stops once the column sums deviate from 1/n by less than this in total (L1).
        max_iterations: The iteration stops after this many steps; `Plan.error` says how far it came.

    Returns:
        The plan, which is symmetric, its error and the number of iterations.

    Raises:
        ValueError: `epsilon` or `tolerance` is not positive, or `max_iterations` is below 1.

    Source: arXiv 1810.08278, section 3.1.

    >>> import jax.numpy as jnp
    >>> from jaxgen.numerics import symmetric_sinkhorn
    >>> plan = symmetric_sinkhorn(jnp.asarray([[0.0, 1.0], [1.0, 0.0]]), 0.1)
    >>> jnp.round(jnp.exp(plan.log_plan), 3)
    Array([[0.5, 0. ],
           [0. , 0.5]], dtype=float32)
    """
    checks.number("symmetric_sinkhorn: epsilon", epsilon, above=0)
    checks.number("symmetric_sinkhorn: tolerance", tolerance, above=0)
    checks.count("symmetric_sinkhorn: max_iterations", max_iterations)
    cost = jax.lax.stop_gradient(cost)
    eps, log_n = jnp.asarray(epsilon, cost.dtype), jnp.log(jnp.asarray(cost.shape[0], cost.dtype))

    def updated(f: jax.Array) -> jax.Array:
        return -eps * (log_n + jax.nn.logsumexp((f[None] - cost) / eps, 1))

    def unfinished(state: Any) -> jax.Array:
        return (state[2] < max_iterations) & (state[1] > tolerance)

    def iteration(state: Any) -> Any:
        f, _, count = state
        new = updated(f)
        return 0.5 * (f + new), jnp.mean(jnp.abs(jnp.expm1((f - new) / eps))), count + 1

    start = (jnp.zeros(cost.shape[0], cost.dtype), jnp.asarray(jnp.inf, cost.dtype), jnp.zeros((), jnp.int32))
    f, error, count = jax.lax.while_loop(unfinished, iteration, start)
    return Plan((f[:, None] + f[None] - cost) / eps, error, count)
