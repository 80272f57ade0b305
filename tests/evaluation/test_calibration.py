"""Checks of calibration on a linear Gaussian, whose posterior is known: exact levels, and power against the standard faults."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen.evaluation.calibration import (
    calibration,
    expected_coverage,
    local_c2st,
    posterior_draws,
    probability_integral_transform,
    simulation_based_calibration,
    tarp,
    uniformity,
)
from jaxgen.evaluation.calibration.coverage import _references

NOISE = 0.5
SHARE = 1 / (1 + NOISE**2)
"""theta ~ N(0, I), x ~ N(theta, NOISE^2 I): the posterior is N(SHARE x, (1 - SHARE) I)."""
N, L, D = 150, 49, 2
FAULTS = {"narrow": (0.6, 0.0), "shifted": (1.0, 0.4), "prior": None}


def simulations(rng, num=N):
    theta = rng.standard_normal((num, D))
    return theta, theta + NOISE * rng.standard_normal((num, D))


def posterior(rng, x, width=1.0, shift=0.0, num=L):
    deviation = width * (1 - SHARE) ** 0.5
    return SHARE * x[:, None] + shift + deviation * rng.standard_normal((len(x), num, D))


def log_q(theta, x, width=1.0, shift=0.0):
    return -0.5 * np.sum((theta - SHARE * x - shift) ** 2, -1) / ((1 - SHARE) * width**2)


def p_values(rng, fault=(1.0, 0.0)):
    """The p-values of every check by name, for a posterior with a fault."""
    theta, x = simulations(rng)
    if fault is None:
        draws = rng.standard_normal((N, L, D))
        densities = -0.5 * np.sum(draws**2, -1), -0.5 * np.sum(theta**2, -1)
    else:
        draws = posterior(rng, x, *fault)
        densities = log_q(draws, x[:, None], *fault), log_q(theta, x, *fault)
    return {
        "ranks": simulation_based_calibration(draws, theta).p_values[0],
        "coverage": expected_coverage(*densities).p_value,
        "tarp": tarp(draws, theta, x).p_value,
        "tarp in a box": tarp(draws, theta).p_value,
        "local": local_c2st(draws, theta, x).p_value,
        "integral transform": probability_integral_transform(draws[..., 0], theta[:, 0]).p_value,
    }


def test_p_values_of_a_perfect_model_are_uniform():
    """Of 300 repetitions 5 % and 20 % are rejected at these levels, within four standard errors; `benchmarks/calibration.py` runs more."""
    rng = np.random.default_rng(0)
    runs = [p_values(rng) for _ in range(300)]
    for name in runs[0]:
        p = np.asarray([run[name] for run in runs])
        for level in (0.05, 0.2, 0.5):
            assert abs((p <= level).mean() - level) < 4 * (level * (1 - level) / 300) ** 0.5, name


@pytest.mark.parametrize(
    ("fault", "seen", "unseen"),
    [
        ("narrow", ("ranks", "coverage", "tarp", "local", "integral transform"), ()),
        ("shifted", ("ranks", "coverage", "tarp", "local", "integral transform"), ()),
        # Ranks and coverage of the prior are right: only what looks at the data sees that they were not used.
        ("prior", ("tarp", "local"), ("ranks", "coverage")),
    ],
)
def test_faults_are_seen(fault, seen, unseen):
    rng = np.random.default_rng(1)
    runs = [p_values(rng, FAULTS[fault]) for _ in range(20)]
    power = {name: np.mean([run[name] <= 0.05 for run in runs]) for name in runs[0]}
    assert all(power[name] >= 0.5 for name in seen), power
    assert all(power[name] <= 0.3 for name in unseen), power


def test_the_direction_of_a_fault_is_on_the_curve():
    rng = np.random.default_rng(2)
    theta, x = simulations(rng, 2_000)
    draws = posterior(rng, x, 0.5)
    covered = expected_coverage(log_q(draws, x[:, None], 0.5), log_q(theta, x, 0.5))
    assert np.all(covered.ecdf[5:-5] < covered.grid[5:-5]) and np.all(covered.ecdf[10:-10] < covered.low[10:-10])
    counts, low, high = simulation_based_calibration(draws, theta).histogram(10)
    assert counts.shape == (D, 10) and np.all(counts[:, [0, -1]] > high) and np.all(counts[:, 5] < low)


def test_the_band_holds_the_whole_curve_of_uniform_numbers_in_95_of_100():
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(400):
        test = uniformity(rng.random(80))
        inside.append(np.all((test.ecdf >= test.low) & (test.ecdf <= test.high)))
        assert inside[-1] == (test.p_value > 0.05) or abs(test.p_value - 0.05) < 0.02
    assert abs(np.mean(inside) - 0.95) < 0.04


def test_ties_are_broken_at_random():
    """A number of three values has a uniform integral transform only if a tie is spread over its cells."""
    rng = np.random.default_rng(4)
    y, draws = rng.integers(3, size=400), rng.integers(3, size=(400, 30))
    assert probability_integral_transform(draws, y).p_value > 0.01
    assert expected_coverage(0.0 * draws, 0.0 * y).p_value > 0.01


def test_references_of_the_data_spread_as_the_parameters_around_their_prediction():
    rng = np.random.default_rng(7)
    theta, x = simulations(rng, 4_000)
    away = _references(theta, x, rng) - SHARE * x
    np.testing.assert_allclose(away.std(0), (1 - SHARE) ** 0.5, rtol=0.06)
    np.testing.assert_allclose(np.corrcoef(away.T, (theta - SHARE * x).T)[:D, D:], 0, atol=0.07)


def test_one_observation_is_judged_by_its_own_draws():
    """A posterior that is wrong only where x_0 is large is refused there, by a statistic ten times that of where it is right."""
    rng = np.random.default_rng(5)
    theta, x = simulations(rng, 2_000)
    draws = posterior(rng, x, shift=np.where(x[:, None, :1] > 1, 0.6, 0.0), num=1)
    steps = lambda rows: np.concatenate([np.ones((len(rows), 1)), rows, (rows[:, 2:3] > 0.9) * rows[:, :2], rows[:, 2:3] > 0.9], 1)
    found = {}
    for at in (2.0, -1.0):
        here = np.asarray([at, 0.0])
        drawn = posterior(rng, here[None], shift=0.6 if at > 1 else 0.0, num=200)[0]
        found[at] = local_c2st(draws, theta, x, at=(drawn, here), features=steps)
    assert found[2.0].p_value <= 0.01 and found[2.0].statistic > 10 * found[-1.0].statistic


def test_every_check_of_a_model_at_once():
    """The exact posterior as a model: theta = SHARE x + noise."""
    rng = np.random.default_rng(6)
    theta, x = simulations(rng)
    scale = (1 - SHARE) ** 0.5
    shift = jaxgen.bijection(
        jaxgen.transform.no_params,
        lambda params, z, cond=None: (SHARE * cond + scale * z, D * jnp.log(jnp.asarray(scale, z.dtype))),
        lambda params, t, cond=None, key=None: jaxgen.Preimage((t - SHARE * cond) / scale, -D * jnp.log(jnp.asarray(scale, t.dtype))),
    )
    model = jaxgen.Model(jaxgen.bases.normal((D,)), shift)
    result = calibration(jax.random.key(0), model, (), theta.astype(np.float32), x.astype(np.float32), num_draws=L)
    assert min(*result.ranks.p_values, result.coverage.p_value, result.tarp.p_value, result.local.p_value) > 0.01
    assert "TARP" in str(result)
    draws = posterior_draws(jax.random.key(0), model, (), np.float32([[0.0, 0.0], [10.0, 0.0]]), 30)
    assert draws.shape == (2, 30, D) and abs(draws[1, :, 0].mean() - 10 * SHARE) < 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uniformity(np.asarray([0.5, 1.5])), "uniformity: u of shape"),
        (lambda: simulation_based_calibration(np.zeros((5, 9)), np.zeros(5)), "simulation_based_calibration: draws of shape"),
        (lambda: expected_coverage(np.zeros(5), np.zeros(5)), "expected_coverage: log_q_draws of shape"),
        (lambda: tarp(np.zeros((5, 9, 2)), np.zeros((5, 2)), references=np.zeros((4, 2))), "tarp: references of shape"),
        (lambda: local_c2st(np.zeros((5, 9, 2)), np.zeros((5, 2)), np.zeros((4, 1))), "local_c2st: x of 4 rows"),
        (lambda: uniformity(np.asarray([0.5]), num_points=0), "uniformity: num_points=0"),
        (lambda: tarp(np.zeros((5, 9, 2)), np.zeros((5, 2)), np.zeros((4, 1))), "tarp: x of 4 rows; accepted: 5"),
        (lambda: tarp(np.full((5, 9, 2), np.nan), np.zeros((5, 2))), "tarp: draws with 90 numbers that are not finite"),
        (lambda: local_c2st(np.zeros((5, 9, 2)), np.full((5, 2), np.inf), np.zeros((5, 1))), "local_c2st: theta with 10 numbers"),
        (lambda: expected_coverage(np.zeros((5, 9)), np.full(5, np.nan)), "expected_coverage: log_q_theta with 5 NaN"),
        (lambda: probability_integral_transform(np.zeros(5), np.zeros(5)), "probability_integral_transform: draws of shape"),
    ],
)
def test_what_cannot_be_ranked_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
