"""Distances in features against closed forms: Gaussians, equal sets, sets apart, and what chance alone leaves."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import linalg

import jaxgen
from jaxgen.evaluation import (
    Moments,
    bits_of_nll,
    bits_per_dim,
    classifier_figures,
    frechet_distance,
    frechet_of,
    image_figures,
    kernel_distance,
    kernel_floor,
    manifold,
    moments,
    random_halves,
    read_features,
)
from jaxgen.transform import Density

D = 5


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def covariance(rng, rank=D):
    root = rng.normal(size=(D, rank))
    return root @ root.T


def test_the_frechet_distance_of_commuting_gaussians_is_that_of_their_axes(rng):
    turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
    a, b, shift = rng.uniform(0.1, 4, D), rng.uniform(0.1, 4, D), rng.normal(size=D)
    one, two = Moments(np.zeros(D), turn * a**2 @ turn.T), Moments(shift, turn * b**2 @ turn.T)
    assert frechet_distance(one, two) == pytest.approx(shift @ shift + np.square(a - b).sum(), rel=1e-12)


@pytest.mark.parametrize("rank", [D, 2])
def test_the_frechet_distance_is_the_formula_with_a_matrix_root_also_of_singular_covariances(rng, rank):
    one, two = (Moments(rng.normal(size=D), covariance(rng, rank)) for _ in range(2))
    # The textbook's non-symmetric root; a little of the identity keeps it regular.
    root = linalg.sqrtm((one.cov + 1e-13 * np.eye(D)) @ (two.cov + 1e-13 * np.eye(D)))
    truth = np.square(one.mean - two.mean).sum() + np.trace(one.cov + two.cov - 2 * root.real)
    assert frechet_distance(one, two) == pytest.approx(truth, rel=1e-5)
    assert frechet_distance(two, one) == pytest.approx(frechet_distance(one, two), rel=1e-7)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)


def test_the_frechet_distance_is_never_negative(rng):
    same = [Moments(rng.normal(size=D), covariance(rng)) for _ in range(40)]
    values = [frechet_distance(m, m) for m in same]
    assert min(values) >= 0 and max(values) < 1e-6


def test_moments_are_those_of_numpy_and_wrong_ones_are_named(rng):
    x = rng.normal(size=(50, D)).astype(np.float32)
    found = moments(x)
    np.testing.assert_allclose(found.cov, np.cov(x.astype(float).T), rtol=1e-12)
    np.testing.assert_allclose(found.mean, x.astype(float).mean(0))
    with pytest.raises(ValueError, match=r"frechet_distance: b=mean of shape \(4,\)"):
        frechet_distance(found, Moments(np.zeros(4), np.eye(4)))
    with pytest.raises(ValueError, match="b: moments are not finite"):
        frechet_distance(found, Moments(np.full(D, np.nan), np.eye(D)))


def test_the_kernel_distance_is_the_u_statistic_and_its_expectation_of_points(rng):
    x, y = rng.normal(size=(7, D)), rng.normal(size=(6, D)) + 0.5
    kernel = lambda a, b: (a @ b / D + 1) ** 3
    own = lambda s: np.mean([kernel(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j])
    assert kernel_distance(x, y) == pytest.approx(own(x) + own(y) - 2 * np.mean([kernel(a, b) for a in x for b in y]))
    # Repeated points leave no chance: k(p, p) + k(q, q) - 2 k(p, q).
    p, q = x[0], y[0]
    assert kernel_distance(np.tile(p, (4, 1)), np.tile(q, (3, 1))) == pytest.approx(kernel(p, p) + kernel(q, q) - 2 * kernel(p, q))


def test_the_kernel_distance_has_mean_zero_and_the_spread_that_is_its_floor(rng):
    spread = kernel_floor(rng.normal(size=(400, D)))
    values = [kernel_distance(rng.normal(size=(200, D)), rng.normal(size=(200, D))) for _ in range(60)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(60)
    assert np.sqrt(np.mean(np.square(values))) == pytest.approx(spread, rel=0.45)
    assert kernel_distance(rng.normal(size=(200, D)), rng.normal(size=(200, D)) + 0.7) > 10 * spread


def test_equal_sets_are_covered_and_sets_apart_are_not(rng):
    x = rng.normal(size=(60, D))
    same = manifold(x, x)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1) and same.density > 0.99
    assert manifold(x, x + 100) == (0, 0, 0, 0)
    half = manifold(np.concatenate([x, x + 100]), np.concatenate([x, x]))
    # A dropped mode costs recall and coverage, half each, and no precision.
    assert (half.precision, half.recall, half.coverage) == (1, 0.5, 0.5)
    spoilt = manifold(x, np.concatenate([x[:30], x[:30] + 100]))
    assert spoilt.precision == 0.5 and spoilt.coverage >= 0.5


def test_the_manifold_by_hand_on_a_line():
    real, fake = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [1.5], [10.0]])
    # Real balls to the nearest: 1 about 0, 1 about 1, 2 about 3. Fake: 1 about .5, 1 about 1.5, 8.5 about 10.
    found = manifold(real, fake, k=1, k_density=1)
    assert found.precision == pytest.approx(2 / 3) and found.recall == 1
    # 0.5 lies in two of the balls, 1.5 in two, 10 in none; every ball holds one.
    assert found.density == pytest.approx(4 / 3) and found.coverage == 1
    swapped = manifold(fake, real, k=1, k_density=1)
    assert swapped.precision == found.recall and swapped.recall == found.precision
    with pytest.raises(ValueError, match="n >= 6"):
        manifold(real, fake)


def test_the_density_is_a_mean_over_the_samples_also_of_unequal_sets():
    # Real balls as above; of four samples two lie in two of them each.
    assert manifold([[0.0], [1.0], [3.0]], [[0.5], [1.5], [10.0], [11.0]], k=1, k_density=1).density == pytest.approx(1)


def test_density_and_coverage_of_one_law_are_what_the_paper_computes(rng):
    n = 1_000
    found = manifold(rng.normal(size=(n, D)), rng.normal(size=(n, D)), k_density=5)
    assert found.density == pytest.approx(1, abs=0.06)
    # arXiv 2002.09797, section 3.3: E[coverage] = 1 - (1 - 1 / 2)(1 - ...) ~ 1 - 2^-k for equally many points.
    assert found.coverage == pytest.approx(1 - 2.0**-5, abs=0.02)


def test_real_images_reach_their_floor_and_others_do_not(rng):
    real, again, fresh = (rng.normal(size=(n, D)) for n in (420, 400, 500))
    good, bad = image_figures(fresh, real, again), image_figures(1.5 * fresh + 1, real, again)
    assert abs(good["kernel_ratio"]) < 4 and bad["kernel_ratio"] > 20
    assert 0.3 < good["frechet_ratio"] < 3 and bad["frechet_ratio"] > 20
    for name in ("precision", "recall", "density", "coverage"):
        assert good[f"{name}_ratio"] == pytest.approx(1, abs=0.15)
        assert good[f"{name}_ratio"] == pytest.approx(good[name] / good[f"{name}_floor"])
    assert bad["precision_ratio"] < 0.7
    # All are cut to the smallest set.
    assert good == image_figures(fresh[:400], real[:400], again)


def test_the_kernels_floor_is_of_halves_of_as_many_points_as_its_figure(rng):
    fake, real, again = rng.normal(size=(3, 50, D))
    figures = image_figures(fake, real, again, max_points=10, seed=4)
    assert figures["kernel_floor"] == kernel_floor(np.concatenate([real, again]), 10, seed=4)
    assert figures["kernel"] == kernel_distance(fake, real, 10, 4)


def test_classes_are_asked_for_in_turns_and_the_real_images_are_halved(rng):
    asked = []
    agreement = lambda pixels, classes: asked.append(classes.argmax(1).tolist()) or 0.75
    classifier = SimpleNamespace(features=lambda x: x, accuracy=0.9, config={"num_classes": 3}, agreement=agreement)
    samples, real = rng.normal(size=(20, D)), rng.normal(size=(40, D))
    figures = classifier_figures(classifier, samples, real, np.eye(3))
    assert figures["agreement"] == 0.75 and figures["classifier_accuracy"] == 0.9 and asked == [([0, 1, 2] * 7)[:20]]
    assert figures["frechet_floor"] == pytest.approx(frechet_of(*random_halves(real)))
    # Classes of another data set are not compared.
    assert "agreement" not in classifier_figures(classifier, samples, real, np.eye(4))


def test_features_of_other_tools_are_read_and_what_is_none_is_named(rng, tmp_path):
    x = rng.normal(size=(40, D))
    found = moments(x)
    np.save(tmp_path / "raw.npy", x.astype(np.float32))
    np.savez(tmp_path / "fid.npz", mu=found.mean, sigma=found.cov)
    np.savez(tmp_path / "own.npz", mean=found.mean + 1, cov=found.cov)
    assert frechet_of(read_features(tmp_path / "raw.npy"), read_features(tmp_path / "fid.npz")) < 1e-9
    assert frechet_of(read_features(tmp_path / "own.npz"), x) == pytest.approx(D, rel=1e-6)
    for arrays, match in (
        ({"mu": x, "sigma": found.cov}, r"mu of shape \(40, 5\), sigma of shape \(5, 5\)"),
        ({"mu": found.mean, "sigma": x[:D]}, "sigma is not symmetric"),
        ({"mu": found.mean}, r"float64 of shape \(5,\); accepted: finite features"),
        ({"a": x, "b": x}, "holds a, b; accepted: mean and cov"),
        ({"a": x.astype(object)}, r"bad\.npz', which cannot be read"),
    ):
        np.savez(tmp_path / "bad.npz", **arrays)
        with pytest.raises(ValueError, match=match):
            read_features(tmp_path / "bad.npz")
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(ValueError, match=r"text\.npy', which cannot be read"):
        read_features(tmp_path / "text.npy")


def test_bits_of_a_likelihood_in_units_of_pixels():
    nll, stderr = 12 * np.log(256), 12 * np.log(2)
    assert bits_of_nll(nll, stderr, Density.EXACT, (2, 2, 3)) == (pytest.approx(8), pytest.approx(1), Density.LOWER_BOUND)
    assert bits_of_nll(nll, stderr, Density.UNBIASED, (2, 2, 3), discrete=True).kind is Density.UNBIASED


def test_bits_of_known_codes():
    of = lambda value, kind=Density.EXACT: jaxgen.LogProb(np.asarray(value, np.float64), np.zeros(len(value)), kind)
    # Uniform pixels of 256 levels take 8 bits however they are told: whole, dequantised in units of pixels, or in (-1, 1).
    whole, unit = of([-12 * np.log(256)] * 4), of([-12 * np.log(2)] * 4)
    assert bits_per_dim(whole, (2, 2, 3), discrete=True) == (pytest.approx(8), 0, Density.EXACT)
    assert bits_per_dim(whole, (2, 2, 3)) == (pytest.approx(8), 0, Density.LOWER_BOUND)
    assert bits_per_dim(unit, (2, 2, 3), levels=256) == (pytest.approx(8), 0, Density.LOWER_BOUND)
    spread = bits_per_dim(of(-np.log(2) * np.array([1.0, 3.0]), Density.LOWER_BOUND), (2,), discrete=True)
    assert spread == (pytest.approx(1), pytest.approx(0.5), Density.LOWER_BOUND)
    for arguments, match in ((({"levels": 1}), "levels=1"), (({"levels": 2, "discrete": True}), "levels=2")):
        with pytest.raises(ValueError, match=match):
            bits_per_dim(whole, (2,), **arguments)
    with pytest.raises(ValueError, match="1 not finite"):
        bits_per_dim(of([0.0, -np.inf]), (2,))
