"""Laws of every named dataset: the density is one, it is that of the samples, and the numbers that go with it follow from it."""

import zlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxgen.data
from jaxgen.data.registry import _source
from jaxgen.data.source import Source

EXACT = [name for name in jaxgen.data.NAMES if name != "digits"]
HALF = {"two_moons": 3.0, "eight_gaussians": 6.0, "checkerboard": 5.0, "rings": 3.6, "pinwheel": 5.0, "two_spirals": 3.0, "swiss_roll": 3.2}
POINTS, COARSE = 240, 24
SAMPLES = 20_000
FAR = (9.0, 30.0, 1e3, 1e6, 1e12)
STEP = 1e-5


class Case(NamedTuple):
    """A source with everything the laws look at, compiled once: log densities and scores, by dtype, of named sets of points."""

    name: str
    source: Source
    edges: np.ndarray
    mass: np.ndarray
    x: np.ndarray
    points: dict[str, np.ndarray]
    log_prob: dict[type, dict[str, np.ndarray]]
    score: dict[type, dict[str, np.ndarray]]


def evaluate(function, sets, dtype):
    """`function` of the rows of several sets of points in one program, in that dtype and under strict promotion."""
    x = np.concatenate(list(sets.values())).astype(dtype)
    with jax.enable_x64(dtype is np.float64), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        # In slices: all points by all nodes of a curve's quadrature are a gigabyte.
        values = np.asarray(jax.jit(lambda x: jax.lax.map(function, x, batch_size=512))(jnp.asarray(x)))
    assert values.dtype == dtype
    return dict(zip(sets, np.split(values, np.cumsum([len(rows) for rows in sets.values()])[:-1]), strict=True))


@pytest.fixture(scope="module", params=EXACT)
def case(request):
    name = request.param
    source, half = _source(name, 2), HALF.get(name, 4.5)
    edges = np.linspace(-half, half, POINTS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    x = jaxgen.data.draw(name, zlib.crc32(name.encode()), SAMPLES).astype(np.float64)
    few = x[:64]
    circle = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)
    tails = {"few": few, "origin": np.zeros((1, 2)), "far": np.concatenate([radius * circle for radius in FAR])}
    points = {
        **tails,
        "steps": np.concatenate([few + sign * STEP * axis for axis in np.eye(2) for sign in (1, -1)]),
        "x": x,
        "grid": np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1).reshape(-1, 2),
    }
    beyond = lambda huge: {"beyond": np.array([[huge, -huge], [huge, 0.0], [np.inf, 0.0], [-np.inf, np.inf]])}
    log_prob = {
        np.float64: evaluate(source.log_prob, {**points, **beyond(1e200)}, np.float64),
        np.float32: evaluate(source.log_prob, {**tails, **beyond(1e30)}, np.float32),
    }
    score = {dtype: evaluate(source.score, tails, dtype) for dtype in log_prob} if source.score else {}
    mass = (2 * half / POINTS) ** 2 * np.exp(log_prob[np.float64]["grid"])
    return Case(name, source, edges, mass, x, points, log_prob, score)


def test_density_integrates_to_one(case):
    assert case.mass.sum() == pytest.approx(1.0, abs=1e-6)


def test_entropy_is_that_of_the_density(case):
    log_prob, inside = case.log_prob[np.float64]["grid"], case.mass > 0
    assert -np.sum(case.mass[inside] * log_prob[inside]) == pytest.approx(case.source.entropy, abs=1e-6)


def test_mean_of_minus_log_prob_of_samples_is_the_entropy(case):
    log_prob = case.log_prob[np.float64]["x"]
    assert abs(-log_prob.mean() - case.source.entropy) <= 4 * log_prob.std() / np.sqrt(SAMPLES) + 1e-9


def test_samples_fill_cells_as_the_density_says(case):
    step = POINTS // COARSE
    counts = np.histogram2d(*case.x.T, bins=[case.edges[::step]] * 2)[0].ravel()
    expected = SAMPLES * case.mass.reshape(COARSE, step, COARSE, step).sum(axis=(1, 3)).ravel()
    rare = expected < 8
    counts, expected = (np.append(values[~rare], values[rare].sum()) for values in (counts, expected))
    keep = expected > 1e-3
    assert counts[~keep].sum() == 0
    assert stats.chi2.sf(np.sum((counts[keep] - expected[keep]) ** 2 / expected[keep]), keep.sum() - 1) > 1e-4


def test_modes_hold_their_weights(case):
    weights, labels = case.source.mode_weights, case.source.mode(case.x)
    assert weights.sum() == pytest.approx(1.0)
    assert np.mean(labels == -1) < 1e-3
    share = np.array([np.mean(labels == k) for k in range(len(weights))])
    assert np.all(np.abs(share - weights) <= 4.5 * np.sqrt(weights * (1 - weights) / SAMPLES) + 1e-3)
    assert np.array_equal(case.source.mode(np.array([[50.0, 50.0], [np.nan, 0.0], [np.inf, 0.0]])), [-1, -1, -1])
    assert case.source.mode(np.empty((0, 2))).shape == (0,)


def test_score_is_the_slope_of_log_prob(case):
    if case.name == "checkerboard":
        assert case.source.score is None
        return
    ahead_x, behind_x, ahead_y, behind_y = np.split(case.log_prob[np.float64]["steps"], 4)
    slope = np.stack([ahead_x - behind_x, ahead_y - behind_y], axis=1) / (2 * STEP)
    np.testing.assert_allclose(case.score[np.float64]["few"], slope, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_tails_fall_and_are_never_nan(case, dtype):
    log_prob = case.log_prob[dtype]
    assert np.all(np.isneginf(log_prob["beyond"]))
    if case.name == "checkerboard":
        assert np.all(np.isneginf(log_prob["far"]))
        return
    assert np.all(np.isfinite(log_prob["origin"])) and np.all(np.isfinite(log_prob["far"]))
    assert np.all(np.diff(log_prob["far"].reshape(len(FAR), 8), axis=0) < 0)
    assert all(np.all(np.isfinite(score)) for score in case.score[dtype].values())
    # Far out the density falls towards every side: the score points inwards.
    assert np.all(np.sum(case.score[dtype]["far"] * case.points["far"], axis=1) < 0)


def test_float32_agrees_with_float64(case):
    np.testing.assert_allclose(case.log_prob[np.float32]["few"], case.log_prob[np.float64]["few"], rtol=2e-4, atol=2e-4)
    if case.score:
        np.testing.assert_allclose(case.score[np.float32]["few"], case.score[np.float64]["few"], rtol=2e-3, atol=2e-2)


def test_log_prob_takes_one_floating_event_only(case):
    log_prob = case.source.log_prob
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
