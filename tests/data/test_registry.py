"""Laws of every named dataset: the density is one, it is that of the samples, and the numbers that go with it follow from it."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxgen.data
from jaxgen.data.registry import _source

EXACT = [name for name in jaxgen.data.NAMES if name != "digits"]
HALF = {"two_moons": 3.0, "eight_gaussians": 6.0, "checkerboard": 5.0, "rings": 3.6, "pinwheel": 5.0, "two_spirals": 3.0, "swiss_roll": 3.2}
POINTS, COARSE = 240, 24
SAMPLES = 20_000


def seed_of(request):
    return zlib.crc32(request.node.name.encode())


@pytest.fixture(scope="module", params=EXACT)
def case(request):
    """name, source, and in float64: a grid of cell midpoints with its log density, and fresh samples with theirs."""
    name = request.param
    source, half = _source(name, 2), HALF.get(name, 4.5)
    edges = np.linspace(-half, half, POINTS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    grid = np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1).reshape(-1, 2)
    x = jaxgen.data.draw(name, seed_of(request), SAMPLES).astype(np.float64)
    both = np.concatenate([grid, x])
    with jax.enable_x64(True):
        log_prob = np.asarray(jax.vmap(source.log_prob)(jnp.asarray(both)))
    assert log_prob.dtype == np.float64
    area = (2 * half / POINTS) ** 2
    return name, source, edges, area * np.exp(log_prob[: len(grid)]), log_prob[: len(grid)], x, log_prob[len(grid) :]


def test_density_integrates_to_one(case):
    assert case[3].sum() == pytest.approx(1.0, abs=1e-6)


def test_entropy_is_that_of_the_density(case):
    _, source, _, mass, log_prob, _, _ = case
    assert -np.sum(mass[mass > 0] * log_prob[mass > 0]) == pytest.approx(source.entropy, abs=1e-6)


def test_mean_of_minus_log_prob_of_samples_is_the_entropy(case):
    _, source, _, _, _, _, log_prob = case
    stderr = log_prob.std() / np.sqrt(SAMPLES)
    assert abs(-log_prob.mean() - source.entropy) <= 4 * stderr + 1e-9


def test_samples_fill_cells_as_the_density_says(case):
    _, _, edges, mass, _, x, _ = case
    coarse = edges[:: POINTS // COARSE]
    counts = np.histogram2d(*x.T, bins=[coarse, coarse])[0].ravel()
    step = POINTS // COARSE
    expected = SAMPLES * mass.reshape(COARSE, step, COARSE, step).sum(axis=(1, 3)).ravel()
    rare = expected < 8
    counts, expected = (np.append(values[~rare], values[rare].sum()) for values in (counts, expected))
    keep = expected > 1e-3
    assert counts[~keep].sum() == 0
    assert stats.chi2.sf(np.sum((counts[keep] - expected[keep]) ** 2 / expected[keep]), keep.sum() - 1) > 1e-4


def test_modes_hold_their_weights(case):
    _, source, _, _, _, x, _ = case
    weights = source.mode_weights
    labels = source.mode(x)
    assert weights.sum() == pytest.approx(1.0)
    assert np.mean(labels == -1) < 1e-3
    share = np.array([np.mean(labels == k) for k in range(len(weights))])
    assert np.all(np.abs(share - weights) <= 4.5 * np.sqrt(weights * (1 - weights) / SAMPLES) + 1e-3)
    assert np.array_equal(source.mode(np.array([[50.0, 50.0], [np.nan, 0.0], [np.inf, 0.0]])), [-1, -1, -1])
    assert source.mode(np.empty((0, 2))).shape == (0,)


def test_score_is_the_slope_of_log_prob(case):
    name, source, _, _, _, x, _ = case
    if name == "checkerboard":
        assert source.score is None
        return
    with jax.enable_x64(True):
        at, step = jnp.asarray(x[:64]), 1e-5
        log_prob = jax.vmap(source.log_prob)
        slopes = [(log_prob(at + step * e) - log_prob(at - step * e)) / (2 * step) for e in jnp.eye(2)]
        score = jax.vmap(source.score)(at)
    np.testing.assert_allclose(score, np.stack(slopes, axis=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("x64", [False, True])
def test_far_tails_are_never_nan_and_keep_the_dtype(case, x64):
    name, source = case[:2]
    dtype = np.float64 if x64 else np.float32
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = np.concatenate([np.zeros((1, 2)), *(radius * circle for radius in (5.0, 30.0, 1e3, 1e6, 1e12))]).astype(dtype)
    beyond = np.array([[1e25, -1e25], [1e30, 0.0], [np.inf, 0.0], [-np.inf, np.inf]], dtype) * dtype(1e5 if x64 else 1.0)
    with jax.enable_x64(x64), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        log_prob = jax.vmap(source.log_prob)(jnp.asarray(x))
        lost = jax.vmap(source.log_prob)(jnp.asarray(beyond))
        assert log_prob.dtype == lost.dtype == dtype
        if source.score is not None:
            score = jax.vmap(source.score)(jnp.asarray(x))
            assert score.dtype == dtype
            assert np.all(np.isfinite(score))
    if name == "checkerboard":
        assert np.all(np.isneginf(log_prob[1:]))
    else:
        assert np.all(np.isfinite(log_prob))
        assert np.all(np.diff(log_prob[1:].reshape(5, 8), axis=0) < 0)
    assert np.all(np.isneginf(lost)) or (x64 and not np.any(np.isnan(lost)) and np.all(lost < -1e50))


def test_float32_agrees_with_float64(case):
    _, source, _, _, _, x, log_prob = case
    np.testing.assert_allclose(jax.vmap(source.log_prob)(x[:500].astype(np.float32)), log_prob[:500], rtol=2e-4, atol=2e-4)


def test_log_prob_takes_one_floating_event_only(case):
    log_prob = case[1].log_prob
    with pytest.raises(ValueError, match=r"shape \(4, 2\).*jax.vmap"):
        log_prob(jnp.zeros((4, 2)))
    with pytest.raises(TypeError, match="int32"):
        log_prob(jnp.zeros(2, jnp.int32))


@pytest.mark.parametrize("name", jaxgen.data.NAMES)
def test_a_seed_fixes_everything_and_splits_are_independent_of_sizes(name):
    sizes = {"num_train": 300, "num_valid": 40, "num_test": 50}
    data, again = (jaxgen.data.load(name, seed=7, **sizes) for _ in range(2))
    other = jaxgen.data.load(name, seed=8, **sizes)
    larger = jaxgen.data.load(name, seed=7, **{**sizes, "num_train": 400})
    dim = 64 if name == "digits" else 2
    assert (data.name, data.event_shape, data.cond_shape) == (name, (dim,), None)
    for split, rows in (("train", 300), ("valid", 40), ("test", 50)):
        x = data.split(split).x
        assert x.shape == (rows, dim) and x.dtype == np.float32
        assert np.array_equal(x, again.split(split).x)
        assert not np.array_equal(x, other.split(split).x)
    assert np.array_equal(data.test, larger.test) and np.array_equal(data.valid, larger.valid)
    fresh = jaxgen.data.draw(name, 7, 300)
    assert np.array_equal(fresh, jaxgen.data.draw(name, 7, 300)) and fresh.shape == (300, dim) and fresh.dtype == np.float32
    rows = {row.tobytes() for row in np.concatenate([data.train, data.valid, data.test, fresh])}
    assert len(rows) == 300 + 40 + 50 + 300
    assert data.log_prob is again.log_prob


def test_default_sizes():
    data = jaxgen.data.load("two_moons")
    assert [len(data.split(which).x) for which in ("train", "valid", "test")] == [50_000, 5_000, 10_000]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"name_or_path": "three_moons"}, r"'three_moons'.*two_moons.*digits.*\.parquet"),
        ({"name_or_path": "table.xlsx"}, r"table.xlsx.*two_moons.*\.npy"),
        ({"name_or_path": "rings", "dim": 3}, "dim=3.*gaussian_mixture"),
        ({"name_or_path": "gaussian_mixture", "dim": 0}, "dim=0"),
        ({"name_or_path": "rings", "columns": ["a"]}, "only files have columns"),
        ({"name_or_path": "digits", "cond_columns": [0]}, "only files have columns"),
        ({"name_or_path": "rings", "num_train": 0}, "num_train=0.*at least 1"),
        ({"name_or_path": "rings", "seed": -1}, "seed=-1.*at least 0"),
        ({"name_or_path": "rings", "seed": True}, "seed=True"),
    ],
)
def test_what_load_refuses(arguments, match):
    with pytest.raises(ValueError, match=match):
        jaxgen.data.load(**arguments)


def test_draw_refuses_an_unknown_name():
    with pytest.raises(jaxgen.data.DataError, match="two_moons"):
        jaxgen.data.draw("table.npy", 0, 3)
