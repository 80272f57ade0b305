"""Which support and which tails are found in a column, and that what is found is ahead on rows that nobody has seen."""

import numpy as np
import pytest
from scipy import stats

from jaxgen.zoo import find_marginal, marginals
from jaxgen.zoo.marginals import SCALARS, _believed, _Family, _fitted, _log_density, affine_marginal

N = 1_000
LAWS = {
    "normal": (stats.norm(3, 2), "affine"),
    "log-normal": (stats.lognorm(1.0), "above"),
    "exponential": (stats.expon(scale=200), "above"),
    "student 2": (stats.t(2, 7, 5), "tails"),
    "cauchy": (stats.cauchy(-5, 0.01), "tails"),
    "beta": (stats.beta(0.5, 0.8), "between"),
    "percent": (stats.beta(5, 2, 0, 100), "between"),
    "a window of its own": (stats.uniform(3.7, 5.4), "affine"),
    "far from zero": (stats.norm(1_000, 1), "affine"),
}


def density(marginal, x):
    return _log_density(marginal.family, np.array([marginal.theta]), x)[0]


@pytest.mark.parametrize("name", LAWS)
def test_the_family_is_found_and_is_ahead_on_fresh_rows(name):
    law, family = LAWS[name]
    rng = np.random.default_rng(3)
    train, fresh = law.rvs(N, random_state=rng), law.rvs(4 * N, random_state=rng)
    marginal = find_marginal(train)
    assert marginal.family == family
    affine = _fitted(train, _Family("affine"))
    found, plain = density(marginal, fresh), density(affine, fresh)
    assert np.isfinite(found).all()
    # Never far behind the truth, and ahead of the affine map wherever something was found.
    assert (found - plain).mean() >= (0.05 if family != "affine" else -1e-9)
    if name != "a window of its own":
        assert (law.logpdf(fresh) - found).mean() < 0.12
    # One number in standard normal coordinates.
    assert np.abs(stats.norm.ppf([0.1, 0.9]) - np.quantile(_coordinates(marginal, fresh), [0.1, 0.9])).max() < 0.25


def _coordinates(marginal, x):
    import jax

    return np.asarray(jax.vmap(SCALARS[marginal.family].inverse, (None, 0))(np.array(marginal.theta, np.float32), x.astype(np.float32))[0])


@pytest.mark.parametrize("seed", range(12))
def test_no_bound_is_believed_that_the_rows_do_not_speak_for(seed):
    """Positive by chance: a Gaussian three deviations above zero, where another row may well be negative."""
    x = np.random.default_rng(seed).normal(3, 1, 400)
    assert find_marginal(np.abs(x)).family in ("affine", "tails")


@pytest.mark.parametrize(
    ("low", "high", "believed"),
    # Of 1,000 standard normal rows 159 lie beyond 1, 1.35 beyond 3 and none beyond 6.
    [(-1, np.inf, True), (-6, np.inf, False), (-6, 6, False), (-6, 1, True), (-1, 6, True), (-1, 3, False), (-3, 1, False), (-1, 1, True)],
)
def test_both_ends_of_a_support_are_missed_by_rows_or_out_of_their_reach(low, high, believed):
    assert _believed(affine_marginal(0.0, 1.0), 1_000, low, high) == believed


@pytest.mark.parametrize(("spread", "family"), [(0.05, "tails"), (2.0, "affine")])
def test_a_family_is_taken_only_if_it_is_ahead_by_more_than_its_standard_error(spread, family, monkeypatch):
    """Ahead by 0.02 nats on average over 200 rows, whose scores differ by little or by much."""
    scores = 0.02 + spread * np.resize([1.0, -1.0], 200)
    monkeypatch.setattr(marginals, "_judged", lambda x, fold, family: scores if family.name == "tails" else np.zeros(200))
    assert find_marginal(np.random.default_rng(0).standard_t(2, 200), bounds=False).family == family


def test_whole_numbers_have_the_bounds_that_hold_many_rows():
    rng = np.random.default_rng(0)
    ratings = rng.choice(5, 600, p=[0.2, 0.2, 0.2, 0.2, 0.2]) + 1.0
    assert str(find_marginal(ratings, whole=True)) == "between 1 and 6"
    assert str(find_marginal(rng.poisson(2, 600) * 1.0, whole=True)) == "above 0"
    assert find_marginal(rng.poisson(400, 600) * 1.0, whole=True).family == "affine"


def test_gaps_few_rows_and_columns_without_a_zero():
    rng = np.random.default_rng(0)
    x = np.exp(rng.normal(size=500))
    assert find_marginal(np.where(rng.uniform(size=500) < 0.3, np.nan, x)).family == "above"
    assert find_marginal(x[:30]).family == "affine" and find_marginal(x, bounds=False).family != "above"
    # A zero among positive numbers is a value that a half line gives no density.
    assert find_marginal(np.where(rng.uniform(size=500) < 0.3, 0.0, x)).family != "above"


def test_rows_on_a_grid_may_reach_the_bound():
    """Counts that are taken for real numbers: without a zero among the training rows, the next one still has a density."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(6.0, 300).astype(float)
    positive = counts[counts > 0]
    marginal = find_marginal(np.exp(np.round(rng.normal(1.0, 0.8, 300), 1)).round())
    assert str(marginal) == "above -0.5"
    assert np.isfinite(density(marginal, np.zeros(1))).all() and density(marginal, np.zeros(1))[0] > -12
    assert find_marginal(positive).family in ("affine", "above", "tails")
    # Cents are a grid as well; numbers that never repeat are not.
    assert str(find_marginal(np.exp(rng.normal(size=300)).round(2))) == "above -0.005"
    assert str(find_marginal(np.exp(rng.normal(size=300)))) == "above 0"


def test_standardised_numbers_between_minus_pi_and_pi_are_no_angles():
    """Two clusters have no row beyond three deviations, where a Gaussian of their variance would have some; angles reach both ends."""
    rng = np.random.default_rng(0)
    clusters = rng.choice([-2.2, 2.2], 4_000) + 0.2 * rng.standard_normal(4_000)
    assert np.abs(clusters).max() < np.pi
    assert find_marginal(clusters).family != "between"
    assert str(find_marginal(rng.uniform(-np.pi, np.pi, 4_000))) == "between -3.14159 and 3.14159"
    assert find_marginal(rng.uniform(0, 2 * np.pi, 100)).family == "between"
