"""The closed forms against maps that attain them, and against brute force."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom, norm

from jaxgen.evaluation import bridge


@pytest.mark.parametrize(("p", "steepness"), [(0.5, 2.0), (0.1, 0.7), (0.9, 5.0)])
def test_the_clipped_line_attains_the_global_bound(p, steepness):
    # clip(L (z - a), 0, w) with A = {0}, B = {w}: P(A) = Phi(a), and the gap holds exactly the bound.
    a, width = norm.ppf(p), 3.0
    gap = norm.cdf(a + width / steepness) - norm.cdf(a)
    q = 1 - p - gap
    assert bridge.bridge_bound(p, width, steepness) == pytest.approx(gap, rel=1e-9)
    assert bridge.least_lipschitz(p, q, width) == pytest.approx(steepness, rel=1e-9)
    assert bridge.least_lipschitz(q, p, width) == pytest.approx(steepness, rel=1e-9)


def test_the_bound_of_two_sets_is_that_of_k_sets():
    """Half of the gap belongs to each of two sets, so for equal sets both statements agree; for others that of two sets is no weaker."""
    equal = bridge.least_lipschitz(0.3, 0.3, 2.0)
    assert bridge.least_lipschitz_of_sets([0.3, 0.3], [2.0, 2.0]) == pytest.approx(equal, rel=1e-9)
    assert bridge.bridge_bound_of_sets([0.3, 0.3], [2.0, 2.0], equal) == pytest.approx(0.4, rel=1e-9)
    for p, q in itertools.product([0.05, 0.2, 0.4], repeat=2):
        assert bridge.least_lipschitz_of_sets([p, q], [2.0, 2.0]) <= bridge.least_lipschitz(p, q, 2.0) * (1 + 1e-9)


def test_nothing_between_the_sets_needs_an_infinite_constant():
    assert bridge.least_lipschitz(0.5, 0.5, 1.0) == np.inf
    assert bridge.least_lipschitz_of_sets([0.5, 0.5], [1.0, 1.0]) == np.inf
    assert bridge.bridge_bound(0.0, 1.0, 2.0) == 0.0 == bridge.bridge_bound(1.0, 1.0, 2.0)


@pytest.mark.parametrize("steepness", [0.5, 1.0, 4.0])
def test_the_consequences_are_the_least_over_all_masses_that_the_global_bound_allows(steepness):
    width = 1.5
    p = np.linspace(1e-6, 1 - 1e-6, 20_001)
    q = norm.cdf(norm.ppf(1 - p) - width / steepness)  # the most that the bound leaves for the other mode
    variation = np.maximum(0.5 - p, 0) + np.maximum(0.5 - q, 0)
    gap = -0.5 * np.log(2 * p) - 0.5 * np.log(2 * q)
    assert bridge.total_variation_bound(width, steepness) == pytest.approx(variation.min(), abs=1e-4)
    assert bridge.nll_gap_bound(width, steepness) == pytest.approx(gap.min(), abs=1e-4)


@pytest.mark.parametrize(("p", "b"), [(0.5, 0.001), (0.2, 0.3), (0.49, 0.02)])
def test_the_certified_constant_is_below_the_true_one_as_often_as_promised(p, b):
    rng, num, width = np.random.default_rng(0), 2_000, 1.0
    true = bridge.least_lipschitz(p, 1 - p - b, width)
    draws = rng.multinomial(num, [p, 1 - p - b, b], size=300)
    certified = np.array([bridge.certified_lipschitz(int(one), int(other), num, width) for one, other, _ in draws])
    assert np.mean(certified <= true) >= 0.95
    assert np.median(certified) > true / 4


def test_clopper_pearson_covers_and_its_ends_are_the_binomials_quantiles():
    interval = bridge.clopper_pearson(3, 10)
    assert binom.sf(2, 10, interval.low) == pytest.approx(0.025)
    assert binom.cdf(3, 10, interval.high) == pytest.approx(0.025)
    assert bridge.clopper_pearson(10, 10).high == 1.0


def test_the_kl_part_is_unbiased_and_its_error_honest():
    rng, truth, given = np.random.default_rng(1), np.array([0.45, 0.45, 0.1]), np.array([0.3, 0.4, 0.3])
    exact = float(np.sum(truth * np.log(truth / given)))
    # So few that the first-order bias, about .015, stands out.
    parts = [bridge.kl_part(rng.multinomial(200, truth), rng.multinomial(100, given)) for _ in range(2_000)]
    values, errors = np.array([part.value for part in parts]), np.array([part.stderr for part in parts])
    assert values.mean() == pytest.approx(exact, abs=0.008)
    assert errors.mean() == pytest.approx(values.std(), rel=0.15)
    assert bridge.kl_part([1, 1, 0], [10, 0, 5]).value < np.inf


def test_the_kl_part_is_unbiased_where_the_model_hardly_goes():
    """Half of the truth in a cell where the model has a twentieth, by a sum over all counts: the half sample alone takes off p / q there."""
    num, counts = 100, np.arange(101)
    values = [bridge.kl_part([5e8, 5e8], [num - count, count]).value for count in counts]
    exact = 0.5 * np.log(0.5 / 0.95) + 0.5 * np.log(0.5 / 0.05)
    assert binom.pmf(counts, num, 0.05) @ values == pytest.approx(exact, abs=0.01)
    # Of few real events against a model that is known, the bias is 1 / 80.
    few = np.arange(41)
    values, exact = [bridge.kl_part([k, 40 - k], [5e8, 5e8]).value for k in few], 0.3 * np.log(0.6) + 0.7 * np.log(1.4)
    assert binom.pmf(few, 40, 0.3) @ values == pytest.approx(exact, abs=0.003)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bridge.bridge_bound(1.5, 1.0, 1.0), "bridge_bound: p=1.5"),
        (lambda: bridge.certified_lipschitz(9, 9, 10, 1.0), "inside=9, other=9"),
        (lambda: bridge.kl_part([1], [1, 2]), "kl_part: real"),
        (lambda: bridge.balls([[0.0]], -1.0), "balls: radius"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        call()
