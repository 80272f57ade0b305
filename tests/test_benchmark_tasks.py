"""The simulators of the posterior-estimation benchmark, its C2ST and its standardisation, against closed forms."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def npe():
    sys.path.insert(0, str(FOLDER))
    try:
        import npe as module
    finally:
        sys.path.remove(str(FOLDER))
    return module


def test_two_moons_is_a_thin_half_circle_about_the_place_that_theta_gives(npe):
    theta, x = npe.TASKS["two_moons"].simulate(np.random.default_rng(0), 20_000)
    place = np.stack([-np.abs(theta.sum(axis=1)), theta[:, 1] - theta[:, 0]], axis=1) / np.sqrt(2)
    half_circle = x - place - [0.25, 0.0]
    radius = np.hypot(*half_circle.T)
    assert np.all(half_circle[:, 0] > 0)
    np.testing.assert_allclose([radius.mean(), radius.std()], [0.1, 0.01], rtol=0.02)
    # A uniform angle on (-pi/2, pi/2) has variance pi^2 / 12.
    np.testing.assert_allclose(np.arctan2(half_circle[:, 1], half_circle[:, 0]).var(), np.pi**2 / 12, rtol=0.03)
    assert npe.TASKS["two_moons"].in_support(theta).all()
    assert not npe.TASKS["two_moons"].in_support(np.array([[0.5, 1.01], [-1.01, 0.0]])).any()


def test_gaussian_linear_is_standardised_to_its_posterior(npe):
    """theta given x is N(x / 2, 0.05 I): what is left of theta must be standard, and independent of x."""
    theta, x = npe.TASKS["gaussian_linear"].simulate(np.random.default_rng(0), 50_000)
    units = npe.linear(theta, x)
    np.testing.assert_allclose(units.slope, np.eye(10) / 2, atol=0.02)
    np.testing.assert_allclose(units.axes @ units.axes.T, 0.05 * np.eye(10), atol=0.002)
    u = units.standardise(theta, x)
    np.testing.assert_allclose(np.cov(u.T), np.eye(10), atol=1e-3)
    np.testing.assert_allclose(u.T @ x / len(x), 0, atol=1e-3)
    np.testing.assert_allclose(units.restore(u, x), theta, atol=1e-5)


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_c2st_of_two_gaussians_is_the_accuracy_of_their_best_classifier(npe, shift):
    rng = np.random.default_rng(0)
    reference, samples = 3 * rng.standard_normal((2, 1_000, 1))
    assert npe.c2st(samples + 3 * shift, reference) == pytest.approx(norm.cdf(shift / 2), abs=0.03)


@pytest.mark.parametrize("x", [(-0.6, 0.2), (0.15, 0.1), (-0.8, 0.4)], ids=str)
def test_posterior_of_two_moons_is_normalised(npe, x):
    """On a grid over the prior's square; the second place has crescents that meet at the fold, the third some that the square cuts."""
    side = (np.arange(1_600) + 0.5) / 800 - 1
    theta = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    density = np.exp(npe.TASKS["two_moons"].log_posterior(theta, np.array(x)))
    assert density.mean() * 4 == pytest.approx(1, abs=1e-2)


def test_best_accuracy_is_that_of_two_gaussians_best_classifier(npe):
    draws = np.random.default_rng(0).standard_normal(200_000)
    assert npe.best_accuracy(norm.logpdf(draws), norm.logpdf(draws, 1.0)) == pytest.approx(norm.cdf(0.5), abs=2e-3)


def test_c2st_wants_equally_many(npe):
    with pytest.raises(ValueError, match="equally many"):
        npe.c2st(np.zeros((3, 1)), np.zeros((4, 1)))


def test_random_tables_are_those_of_their_seeds_and_vary():
    """Twenty of them: sizes in their ranges, finite, no constant column, some with ties, and the same again for the same seed."""
    sys.path.insert(0, str(FOLDER))
    try:
        from tasks.random_tables import random_table
    finally:
        sys.path.remove(str(FOLDER))
    tables = [random_table(seed, (120, 200), (2, 8)) for seed in range(20)]
    assert len({table.shape for table in tables}) > 15
    for table in tables:
        assert 120 <= len(table) <= 200 and 2 <= table.shape[1] <= 8
        assert np.isfinite(table).all() and (table.std(0) > 0).all()
    tied = [any(len(np.unique(column)) < len(column) for column in table.T) for table in tables]
    assert 4 < sum(tied) < 20
    np.testing.assert_array_equal(random_table(7, (120, 200), (2, 8)), tables[7])
