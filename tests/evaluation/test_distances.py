"""Distances against closed forms, against POT, and under the invariances that define them."""

import zlib

import jax
import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgen.evaluation.distances import energy_distance, mmd, mode_coverage, mode_shares, sliced_w2, w2


@pytest.fixture
def rng(request):
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


def test_w2_between_shifted_gaussians_is_the_length_of_the_shift(rng):
    shift = np.array([3.0, -4.0])
    x, y = rng.standard_normal((1_000, 2)), rng.standard_normal((1_000, 2)) + shift
    assert w2(x, y) == pytest.approx(5.0, rel=0.03)


def test_w2_between_scaled_gaussians_is_the_difference_of_scales(rng):
    # W2(N(0, I), N(0, s^2 I)) = |s - 1| sqrt(d); d = 1 keeps the bias of the empirical measure small.
    assert w2(rng.standard_normal((2_000, 1)), 4.0 * rng.standard_normal((2_000, 1))) == pytest.approx(3.0, rel=0.06)


def test_w2_to_a_single_repeated_point_is_the_root_mean_square_distance(rng):
    x = rng.standard_normal((50, 2))
    assert w2(x, np.ones((50, 2))) == pytest.approx(np.sqrt(np.square(x - 1.0).sum(1).mean()), rel=1e-9)


def test_w2_of_a_translate_is_the_translation_exactly(rng):
    x = rng.standard_normal((300, 5))
    assert w2(x, rng.permutation(x) + 0.25) == pytest.approx(0.25 * np.sqrt(5), rel=1e-9)


@pytest.mark.parametrize("d", [1, 3, 64])
def test_sliced_w2_of_a_translate_is_the_root_mean_square_of_its_projections(rng, d):
    x = rng.standard_normal((200, d))
    shift = np.zeros(d)
    shift[0] = 2.0
    # Each projection is shifted by <v, shift>, whose mean square over the sphere is |shift|^2 / d.
    assert sliced_w2(x, rng.permutation(x) + shift, num_projections=8_000) == pytest.approx(2.0 / np.sqrt(d), rel=0.05)


def test_sliced_w2_in_one_dimension_is_w2(rng):
    x, y = rng.standard_normal((400, 1)), rng.gamma(2.0, size=(400, 1))
    assert sliced_w2(x, y) == pytest.approx(w2(x, y), rel=1e-9)


@pytest.mark.parametrize("sizes", [(120, 120), (120, 77), (7, 64)])
def test_sliced_w2_agrees_with_pot(rng, sizes):
    x, y = rng.standard_normal((sizes[0], 3)), 1.5 * rng.standard_normal((sizes[1], 3)) - 0.5
    directions = np.random.default_rng(11).standard_normal((50, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    theirs = ot.sliced_wasserstein_distance(x, y, projections=directions.T, p=2)
    assert sliced_w2(x, y, 11, num_projections=50) == pytest.approx(float(theirs), rel=1e-9)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 1.0), (0.01, 0.0), (7.0, -30.0)])
def test_w2_agrees_with_pot(rng, scale, shift):
    x, y = rng.standard_normal((150, 3)), scale * rng.gamma(1.0, size=(150, 3)) + shift
    assert w2(x, y) == pytest.approx(np.sqrt(ot.emd2([], [], ot.dist(x, y))), rel=1e-9)


@pytest.mark.parametrize("distance", [sliced_w2, w2, mmd, energy_distance])
def test_invariances(rng, distance):
    x, y = rng.standard_normal((120, 3)), rng.standard_normal((120, 3)) + 0.7
    value = distance(x, y)
    assert distance(y, x) == pytest.approx(value, rel=1e-9)
    assert distance(x + 5.0, y + 5.0) == pytest.approx(value, rel=1e-9)
    assert distance(rng.permutation(x), rng.permutation(y)) == pytest.approx(value, rel=1e-9)
    power = 0.0 if distance is mmd else 1.0
    assert distance(3.0 * x, 3.0 * y) == pytest.approx(3.0**power * value, rel=1e-9)
    assert distance(x, y + 2.0) > value > 0


@pytest.mark.parametrize("distance", [w2, mmd, energy_distance])
def test_rotation_invariance(rng, distance):
    x, y = rng.standard_normal((90, 4)), rng.gamma(1.0, size=(110, 4))
    rotation, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    assert distance(x @ rotation, y @ rotation) == pytest.approx(distance(x, y), rel=1e-9)


@pytest.mark.parametrize("distance", [mmd, energy_distance])
def test_unbiased_under_the_null(rng, distance):
    values = np.array([distance(rng.standard_normal((25, 2)), rng.standard_normal((40, 2))) for _ in range(600)])
    assert abs(values.mean()) < 3.5 * values.std() / np.sqrt(len(values))
    # A V-statistic, which keeps the zero distances of points to themselves, would be at least 1 / 40 away in the same unit.
    assert values.std() / np.sqrt(len(values)) < 0.005
    assert values.min() < 0 < values.max()


def test_energy_distance_of_shifted_gaussians(rng):
    # In one dimension E|N(m, s^2)| = s sqrt(2/pi) exp(-m^2 / 2 s^2) + m erf(m / (s sqrt 2)), with s^2 = 2 and m = 1.
    x, y = rng.standard_normal((3_000, 1)), rng.standard_normal((3_000, 1)) + 1.0
    across = 2 / np.sqrt(np.pi) * np.exp(-0.25) + 0.5204998778
    assert energy_distance(x, y, max_points=3_000) == pytest.approx(2 * across - 4 / np.sqrt(np.pi), rel=0.15)


def test_mmd_of_far_apart_samples_is_the_within_sample_similarity():
    # Two clusters of one point each: the median distance is the gap, so across = exp(-1/2) for scale 1.
    x, y = np.zeros((40, 2)), np.full((40, 2), 10.0)
    assert mmd(x, y, scales=(1.0,)) == pytest.approx(2.0 - 2.0 * np.exp(-0.5), rel=1e-9)
    assert mmd(x, x) == 0.0


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 40), m=st.integers(1, 40), d=st.integers(1, 5), seed=st.integers(0, 10_000))
def test_metric_axioms_at_any_size(n, m, d, seed):
    rng = np.random.default_rng(seed)
    x, y, z = rng.standard_normal((n, d)), rng.gamma(1.0, size=(m, d)), rng.standard_normal((n, d)) - 1.0
    there, back = sliced_w2(x, y, 3, 16), sliced_w2(y, x, 3, 16)
    assert there == pytest.approx(back, rel=1e-9)
    assert there <= sliced_w2(x, z, 3, 16) + sliced_w2(z, y, 3, 16) + 1e-9
    assert sliced_w2(x, np.repeat(x, 3, axis=0), 3, 16) == pytest.approx(0.0, abs=1e-9)


def test_mmd_is_the_mean_over_its_kernels(rng):
    x, y = rng.standard_normal((60, 2)), rng.standard_normal((50, 2)) + 1.0
    each = [mmd(x, y, scales=(scale,)) for scale in (0.3, 3.0)]
    assert mmd(x, y, scales=(0.3, 3.0)) == pytest.approx(np.mean(each), rel=1e-9) and each[0] != pytest.approx(each[1], rel=0.1)


def test_seeds_and_keys_fix_the_answer(rng):
    x, y = rng.standard_normal((3_000, 2)), rng.standard_normal((3_000, 2)) + 0.2
    key = jax.random.key(4)
    for distance in (sliced_w2, energy_distance, mmd):
        assert distance(x, y, seed=key) == distance(x, y, seed=key)
        assert distance(x, y, seed=1) != distance(x, y, seed=2)


def test_at_most_max_points_are_matched(rng):
    x = np.concatenate([np.zeros((50, 2)), np.ones((50, 2))])
    assert w2(x, x, max_points=100) == 0.0
    values = {w2(x, x, max_points=1, seed=seed) for seed in range(20)}
    assert values <= {0.0, np.sqrt(2)} and len(values) == 2


def test_mode_shares_and_coverage():
    labels = np.array([0] * 70 + [1] * 24 + [2] * 4 + [-1] * 2)
    np.testing.assert_allclose(mode_shares(labels, 4), [0.7, 0.24, 0.04, 0.0])
    # A quarter of the true masses is .125, .06, .04, .025: the third is held exactly, the fourth missed.
    assert mode_coverage(labels, [0.5, 0.24, 0.16, 0.1]) == 0.75
    assert mode_coverage(labels, [0.5, 0.23, 0.17, 0.1]) == 0.5
    assert mode_coverage([0, 1], [0.5, 0.5]) == 1.0


@pytest.mark.parametrize("distance", [sliced_w2, w2, mmd, energy_distance])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros(5), r"y=array of shape \(5,\); accepted: \(n, d\)"),
        (np.zeros((0, 2)), r"y=array of shape \(0, 2\)"),
        (np.zeros((4, 3)), "x has d = 2 and y has d = 3; accepted: the same d"),
        (np.array([[0.0, 1.0], [np.nan, 0.0]]), "y: 1 rows of 2 are not finite, the first is row 1"),
    ],
)
def test_bad_samples_are_named(distance, bad, message):
    with pytest.raises(ValueError, match=message):
        distance(np.zeros((4, 2)), bad)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: sliced_w2(x, x, num_projections=0), "sliced_w2: num_projections=0; accepted: an integer of at least 1"),
        (lambda x: w2(x, x, max_points=0), "w2: max_points=0"),
        (lambda x: mmd(x, x, max_points=1), "mmd: max_points=1; accepted: an integer of at least 2"),
        (lambda x: mmd(x, x, scales=(1.0, -1.0)), "mmd: scales="),
        (lambda x: mmd(x[:1], x), "n >= 2"),
        (lambda x: mode_shares(x[:, 0], 2), "accepted: integers"),
        (lambda x: mode_shares([0, 2], 2), "labels from 0 to 2; accepted: integers from -1 to 1"),
        (lambda x: mode_coverage([0, 1], [0.5, 0.4]), "accepted: .* with sum 1"),
        (lambda x: mode_coverage([0, 1], [1.0, 0.0]), "positive"),
    ],
)
def test_bad_options_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.arange(12.0).reshape(6, 2))
