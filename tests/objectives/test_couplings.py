"""Couplings: plans against POT and closed forms; every one keeps the law of the noise, under each class too where it says so."""

import jax
import jax.numpy as jnp
import numpy as np
import ot
import pytest

from jaxgen.objectives import couplings
from jaxgen.objectives.couplings import condition_weight, squared_distances


def uniform(n):
    return np.full(n, 1 / n)


def draws(n, d=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) + 1.0, rng.standard_normal((n, d))


def pair(coupling, x, z, cond=None):
    return np.asarray(coupling.pair(jax.random.key(0), x, z, cond))


@pytest.mark.parametrize("d", [2, 12], ids=["without BLAS", "with it"])
def test_the_exact_coupling_costs_what_pots_plan_does(d):
    x, z = draws(64, d)
    paired = pair(couplings.optimal_transport(), x, z)
    expected = ot.emd2(uniform(64), uniform(64), ot.dist(x, z))
    np.testing.assert_allclose(np.mean(np.sum((x - paired) ** 2, 1)), expected, rtol=1e-10)
    np.testing.assert_array_equal(np.sort(paired, 0), np.sort(z, 0))


def test_pairs_of_the_entropic_coupling_are_drawn_from_pots_plan():
    x, z = (a.astype(np.float32) for a in draws(5))
    num, coupling = 20_000, couplings.entropic(0.7, tolerance=1e-5, max_iterations=500)
    drawn = jax.jit(jax.vmap(lambda k: coupling.pair(k, x, z, None)))(jax.random.split(jax.random.key(0), num))
    counts = np.stack([[np.sum(np.all(np.asarray(drawn)[:, i] == z[j], -1)) for j in range(5)] for i in range(5)])
    plan = 5 * ot.sinkhorn(uniform(5), uniform(5), ot.dist(x, z).astype(np.float64), 0.7, stopThr=1e-12)
    assert counts.sum() == 5 * num
    spread = np.sqrt(num * plan * (1 - plan)) + 1
    assert np.max(np.abs(counts - num * plan) / spread) < 4.5


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_between_gaussians_the_entropic_coupling_has_the_bridges_covariance(sigma):
    """A joint Gaussian whose precision couples x and z by -2 / epsilon = -1 / sigma^2: `cov = sqrt(a b + sigma^4 / 4) - sigma^2 / 2`."""
    coupling = couplings.entropic(2 * sigma**2)

    def covariance(key):
        key_x, key_z, key_pair = jax.random.split(key, 3)
        x, z = 1.5 * jax.random.normal(key_x, (500, 1)), jax.random.normal(key_z, (500, 1))
        return jnp.mean(x * coupling.pair(key_pair, x, z, None))

    found = np.asarray(jax.jit(lambda keys: jax.lax.map(covariance, keys))(jax.random.split(jax.random.key(0), 24)))
    expected = np.sqrt(1.5**2 + sigma**4 / 4) - sigma**2 / 2
    assert abs(found.mean() - expected) < 4 * found.std() / np.sqrt(24) + 0.01 < 0.2 * expected


def test_under_each_class_the_noise_keeps_its_draws_and_is_optimally_paired():
    x, z = draws(60)
    classes = np.eye(3)[np.random.default_rng(1).integers(0, 3, 60)]
    x = x + 3 * classes[:, :2]
    skewed, kept = (pair(c, x, z, classes) for c in (couplings.optimal_transport(), couplings.conditional_optimal_transport()))
    for k in range(3):
        rows = classes[:, k] == 1
        np.testing.assert_array_equal(np.sort(kept[rows], 0), np.sort(z[rows], 0))
        cost = ot.emd2(uniform(rows.sum()), uniform(rows.sum()), ot.dist(x[rows], z[rows]))
        np.testing.assert_allclose(np.mean(np.sum((x[rows] - kept[rows]) ** 2, 1)), cost, rtol=1e-10)
    # What the coupling is for: optimal transport alone gives the first class noise from the side where its data lie.
    first = classes[:, 0] == 1
    assert skewed[first, 0].mean() > z[first, 0].mean() + 0.5


def test_without_conditions_or_with_no_weight_it_is_optimal_transport():
    x, z = draws(40)
    expected = pair(couplings.optimal_transport(), x, z)
    cond = np.random.default_rng(2).standard_normal((40, 1))
    np.testing.assert_array_equal(pair(couplings.conditional_optimal_transport(), x, z), expected)
    np.testing.assert_array_equal(pair(couplings.conditional_optimal_transport(1.0), x, z, cond), expected)


def test_with_the_least_ratio_or_one_row_a_class_each_row_keeps_its_draw():
    x, z = draws(40)
    cond = np.random.default_rng(2).standard_normal((40, 2))
    for ratio in (None, 1e-9):
        np.testing.assert_array_equal(pair(couplings.conditional_optimal_transport(ratio), x, z, cond), z)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_a_weight_in_between_trades_one_cost_for_the_other(distance):
    x, z = draws(50)
    cond = np.random.default_rng(2).standard_normal((50, 3))
    unit = cond / np.linalg.norm(cond, axis=1, keepdims=True)
    apart = squared_distances(cond, cond) if distance == "euclidean" else 1 - unit @ unit.T
    np.fill_diagonal(apart, 0)
    moved = []
    for ratio in (0.4, 0.1, 0.03):
        paired = pair(couplings.conditional_optimal_transport(ratio, distance=distance), x, z, cond)
        order = np.argmax((paired[:, None] == z[None]).all(-1), 1)
        moved.append((np.sum((x - paired) ** 2), np.sum(apart[np.arange(50), order])))
    cost, condition = np.transpose(moved)
    assert np.all(np.diff(cost) >= 0) and np.all(np.diff(condition) <= 0) and cost[-1] > cost[0]


@pytest.mark.parametrize("ratio", [0.05, 0.2])
def test_the_weight_leaves_the_share_it_is_asked_for(ratio):
    x, z = draws(60)
    cost, apart = squared_distances(x, z), squared_distances(x, x)
    np.fill_diagonal(apart, 0)
    w = condition_weight(cost, apart, ratio)

    def share(w):
        return np.mean(cost + w * apart <= np.diag(cost)[:, None])

    assert w > 0 and share(w * (1 - 1e-9)) == pytest.approx(ratio, abs=1 / 3600)
    assert share(2 * w) < ratio < share(0.5 * w)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: couplings.entropic(0.0), r"epsilon=0\.0"),
        (lambda: couplings.conditional_optimal_transport(0.0), r"ratio=0\.0"),
        (lambda: couplings.conditional_optimal_transport(1.5), r"ratio=1\.5"),
        (lambda: couplings.conditional_optimal_transport(distance="l1"), "distance='l1'.*euclidean"),
        (lambda: couplings.resolve("flow_matching", "sorted"), "flow_matching: coupling='sorted'.*conditional_optimal_transport"),
        (lambda: couplings.resolve("reflow", 3), "reflow: coupling=3"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["x", "z"])
def test_an_entropic_coupling_does_not_pair_rows_that_are_not_finite(name):
    """One NaN makes the whole plan NaN, whose rows would all draw the first z: refused by name, or NaN under a trace."""
    pair, rows = couplings.entropic(0.5).pair, {"x": jnp.ones((4, 2)), "z": jnp.arange(8.0).reshape(4, 2)}
    rows[name] = rows[name].at[2, 1].set(jnp.nan)
    with pytest.raises(ValueError, match=rf"entropic: {name}\[2\]"):
        pair(jax.random.key(0), rows["x"], rows["z"], None)
    assert np.isnan(jax.jit(lambda x, z: pair(jax.random.key(0), x, z, None))(rows["x"], rows["z"])).all()
