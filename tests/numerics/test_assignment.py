"""The assignment against scipy's own solver on costs of the kinds that break prices: outliers, ties, clusters, offsets, few rows."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from jaxgen.numerics import assignment

N = 160


def points(kind):
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((N, 2)), rng.standard_normal((N, 2))
    if kind == "outlier":
        x[0], z[3] = 1e6, -1e4
    if kind == "ties":
        x, z = np.round(x), np.round(z)
    if kind == "clusters":
        x = 5 * rng.integers(0, 2, (N, 1)) + 1e-3 * x
    return x, z


@pytest.mark.parametrize("kind", ["plain", "outlier", "ties", "clusters"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_cost_is_the_least(kind, dtype):
    x, z = points(kind)
    cost = (-(x @ z.T)).astype(dtype)
    found, best = assignment(cost), linear_sum_assignment(cost)[1]
    assert sorted(found) == list(range(N))
    exact = cost.astype(np.float64)
    rounding = 1e-12 * np.ptp(exact)
    assert exact[np.arange(N), found].sum() <= exact[np.arange(N), best].sum() + rounding


def test_constant_costs_and_few_rows_have_an_answer():
    for cost in (np.full((N, N), 7.0), np.zeros((0, 0)), np.ones((1, 1)), np.array([[1.0, 0.0], [0.0, 1.0]])):
        assert sorted(assignment(cost)) == list(range(len(cost)))
    np.testing.assert_array_equal(assignment(np.array([[1.0, 0.0], [0.0, 1.0]])), [1, 0])
