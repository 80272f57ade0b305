"""Sinkhorn's plan: POT's to the last digits, the exact plan for a small epsilon, and what it says of its own error."""

import jax
import jax.numpy as jnp
import numpy as np
import ot
import pytest
from scipy.optimize import linear_sum_assignment

from jaxgen.numerics import sinkhorn, symmetric_sinkhorn


def cost_of(n, m, seed=0):
    rng = np.random.default_rng(seed)
    return ((rng.standard_normal((n, 1, 2)) - rng.standard_normal((1, m, 2)) - 0.5) ** 2).sum(-1)


def uniform(n):
    return np.full(n, 1 / n)


@pytest.mark.parametrize("epsilon", [0.3, 4.0])
def test_the_plan_is_that_of_pot(epsilon):
    cost = cost_of(7, 11)
    with jax.enable_x64(True):
        plan = jax.jit(lambda c: sinkhorn(c, epsilon, tolerance=1e-12, max_iterations=5_000))(jnp.asarray(cost))
        plan = jax.tree.map(np.asarray, plan)
    expected = ot.sinkhorn(uniform(7), uniform(11), cost, epsilon, stopThr=1e-13, numItermax=20_000)
    np.testing.assert_allclose(np.exp(plan.log_plan), expected, rtol=1e-8, atol=1e-13)
    assert plan.log_plan.dtype == np.float64 and plan.error < 1e-12 and 0 < plan.num_iterations < 5_000


def test_the_plan_between_points_and_themselves_is_that_of_pot_in_far_fewer_steps():
    x = np.random.default_rng(0).standard_normal((9, 2))
    cost = ((x[:, None] - x[None]) ** 2).sum(-1)
    with jax.enable_x64(True):
        one, two = (
            jax.tree.map(np.asarray, jax.jit(lambda c, f=f: f(c, 0.3, tolerance=1e-11, max_iterations=20_000))(jnp.asarray(cost)))
            for f in (symmetric_sinkhorn, sinkhorn)
        )
    expected = ot.sinkhorn(uniform(9), uniform(9), cost, 0.3, stopThr=1e-14, numItermax=100_000)
    np.testing.assert_allclose(np.exp(one.log_plan), expected, rtol=1e-6, atol=1e-12)
    assert one.error < 1e-11 and one.num_iterations < 100 and 10 * one.num_iterations < two.num_iterations
    np.testing.assert_array_equal(one.log_plan, one.log_plan.T)


def test_the_plan_becomes_the_exact_one_as_epsilon_falls():
    cost = cost_of(12, 12)
    rows, columns = linear_sum_assignment(cost)
    excess = []
    for epsilon in (1.0, 0.1, 0.01):
        plan = np.exp(jax.jit(lambda c, e=epsilon: sinkhorn(c, e, max_iterations=5_000).log_plan)(jnp.asarray(cost, jnp.float32)))
        excess.append(np.sum(plan * cost) - cost[rows, columns].mean())
    assert excess[0] > excess[1] > abs(excess[2]) and abs(excess[2]) < 1e-2
    assert np.all(plan[rows, columns] > 0.7 / 12)


def test_marginals_and_the_error_that_is_reported():
    cost = jnp.asarray(cost_of(30, 20), jnp.float32)
    for most in (1, 3, 500):
        plan = jax.jit(lambda c, n=most: sinkhorn(c, 0.05, tolerance=1e-4, max_iterations=n))(cost)
        p = np.exp(np.asarray(plan.log_plan, np.float64))
        np.testing.assert_allclose(p.sum(1), 1 / 30, rtol=1e-4)
        if most == 500:
            assert plan.error < 1e-4 and np.abs(p.sum(0) - 1 / 20).sum() < 2e-4
        else:
            assert plan.num_iterations == most and plan.error > 1e-4


@pytest.mark.parametrize(("epsilon", "tolerance"), [(0.0, 1e-3), (-1.0, 1e-3), (0.1, 0.0)])
def test_numbers_that_are_not_positive_are_named(epsilon, tolerance):
    with pytest.raises(ValueError, match=rf"epsilon={epsilon}" if epsilon <= 0 else rf"tolerance={tolerance}"):
        sinkhorn(jnp.zeros((2, 2)), epsilon, tolerance=tolerance)
    with pytest.raises(ValueError, match="symmetric_sinkhorn: (epsilon|tolerance)"):
        symmetric_sinkhorn(jnp.zeros((2, 2)), epsilon, tolerance=tolerance)
