"""Distances of two samples by their features: Frechet and kernel distance, precision and recall, density and coverage."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from jaxgen import checks
from jaxgen.evaluation.distances import Seed, as_pair, generator, subsample

_BLOCK = 1_000  # rows of a distance matrix held at once


class Moments(NamedTuple):
    """Hold the moments of features of d numbers, in float64.

    Attributes:
        mean: The mean `(d,)`.
        cov: The covariance `(d, d)`.
    """

    mean: np.ndarray
    cov: np.ndarray


class Manifold(NamedTuple):
    """How well samples cover the region of the real data.

    All four are near 1 for samples from the distribution of the data. All but `density` lie in [0, 1].

    Attributes:
        precision: The share of samples that lie in the region of the real data (arXiv 1904.06991).
        recall: The share of real data that lie in the region of the samples (arXiv 1904.06991).
        density: How densely the samples lie in the balls of the real data (arXiv 2002.09797).
        coverage: The share of the balls of the real data that hold a sample (arXiv 2002.09797).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def moments(features: ArrayLike) -> Moments:
    """Return the mean and the covariance, with divisor n - 1, of features `(n, d)` with n >= 2.

    >>> moments([[0.0], [2.0]])
    Moments(mean=array([1.]), cov=array([[2.]]))
    """
    x, _ = as_pair("moments", features, features, at_least=2, names=("features", "features"))
    centred = x - x.mean(0)
    return Moments(x.mean(0), centred.T @ centred / (len(x) - 1))


def frechet_distance(a: Moments, b: Moments) -> float:
    """Return the SQUARED Frechet distance of the Gaussians with two sets of moments.

    It is `|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`, the squared 2-Wasserstein distance of the Gaussians. With Inception features
    it is the FID. Its estimate from n samples is biased upwards by about `d / n` of the scale: compare equal numbers of samples, beside a
    floor.

    Args:
        a: Mean `(d,)` and covariance `(d, d)` of the first set.
        b: Mean and covariance of the second set, of the same d.

    Returns:
        A number of at least 0, in squares of the features' units.

    Raises:
        ValueError: The shapes differ or do not fit, or a moment is not finite.

    Source: Dowson and Landau 1982; arXiv 1706.08500.

    >>> frechet_distance(Moments([0.0], [[1.0]]), Moments([3.0], [[4.0]]))
    10.0
    """
    for name, m in (("a", a), ("b", b)):
        mean, cov = np.shape(m.mean), np.shape(m.cov)
        if len(mean) != 1 or cov != mean * 2 or mean != np.shape(a.mean):
            raise ValueError(
                f"frechet_distance: {name}=mean of shape {mean}, cov of shape {cov}; accepted: (d,) and (d, d), with the same d in both sets."
            )
        if not (np.isfinite(m.mean).all() and np.isfinite(m.cov).all()):
            raise ValueError(f"frechet_distance: {name}: moments are not finite; accepted: finite numbers.")
    cov_a, cov_b = np.asarray(a.cov, np.float64), np.asarray(b.cov, np.float64)
    # The product C_a C_b has the eigenvalues of this symmetric matrix, which stay real and non-negative where the product's would not.
    root = _root(cov_a)
    values = np.linalg.eigvalsh(root @ cov_b @ root)
    shift = np.asarray(a.mean, np.float64) - np.asarray(b.mean, np.float64)
    square = shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * np.sqrt(np.clip(values, 0, None)).sum()
    return max(0.0, float(square))


def kernel_distance(x: ArrayLike, y: ArrayLike, max_points: int = 2_000, seed: Seed = 0) -> float:
    """Estimate, without bias, the SQUARED maximum mean discrepancy of two sets of features under the kernel `(a . b / d + 1)^3`.

    With Inception features it is the KID. Its mean is zero if both samples come from one distribution, so it can be slightly negative.

    Args:
        x: Features `(n, d)`, n >= 2.
        y: Features `(m, d)`, m >= 2.
        max_points: Largest number of points of each side that enter.
        seed: Integer or JAX key of the choice of these points.

    Returns:
        The estimate, without a unit.

    Raises:
        ValueError: A sample has fewer than two points, is not finite, or has another width.

    Source: arXiv 1801.01401.

    >>> kernel_distance([[0.0], [0.0]], [[1.0], [1.0]])
    7.0
    """
    x, y = as_pair("kernel_distance", x, y, at_least=2)
    checks.count("kernel_distance: max_points", max_points, 2)
    rng = generator(seed)
    x, y = subsample(x, max_points, rng), subsample(y, max_points, rng)
    return _unbiased(_polynomial(x, x), _polynomial(y, y), _polynomial(x, y))


def kernel_floor(x: ArrayLike, max_points: int = 2_000, num_splits: int = 50, seed: Seed = 0) -> float:
    """Return the root mean square of `kernel_distance` between random halves of one sample.

    Between samples of one distribution the kernel distance has mean zero; this is its size by chance, and so its floor.

    Args:
        x: Features `(n, d)`, n >= 4.
        max_points: Largest number of points of each half.
        num_splits: Number of random halvings.
        seed: Integer or JAX key of the halvings.

    Returns:
        The root mean square, without a unit.

    Raises:
        ValueError: The sample has fewer than four points or is not finite, or a count is too small.

    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> kernel_floor(x) < kernel_distance(x[:100], x[100:] + 1)
    True
    """
    x, _ = as_pair("kernel_floor", x, x, at_least=4)
    checks.count("kernel_floor: max_points", max_points, 2)
    checks.count("kernel_floor: num_splits", num_splits)
    rng = generator(seed)
    x = subsample(x, 2 * max_points, rng)
    half, kernel = len(x) // 2, _polynomial(x, x)
    squares = []
    for _ in range(num_splits):
        order = rng.permutation(len(x))
        first, second = order[:half], order[half : 2 * half]
        parts = (kernel[np.ix_(first, first)], kernel[np.ix_(second, second)], kernel[np.ix_(first, second)])
        squares.append(_unbiased(*parts) ** 2)
    return float(np.sqrt(np.mean(squares)))


def manifold(real: ArrayLike, samples: ArrayLike, *, k: int = 3, k_density: int = 5) -> Manifold:
    """Return precision, recall, density and coverage of samples against real data, by balls around each point.

    A point's ball reaches to its k-th nearest neighbour in its own set. Precision is the share of samples that lie in the ball of some real
    point, and recall the share of real points that lie in the ball of some sample. Density is the mean number of real balls that hold a
    sample, divided by `k_density`, and coverage the share of real balls that hold a sample. For equal sets all but the density are 1.

    Args:
        real: Features `(n, d)` of real data.
        samples: Features `(m, d)` of samples; use as many as there are real ones.
        k: Neighbour that the balls of precision and recall reach to.
        k_density: Neighbour that the balls of density and coverage reach to.

    Returns:
        The four numbers.

    Raises:
        ValueError: A set has at most `max(k, k_density)` points, is not finite, or has another width.

    Source: arXiv 1904.06991 (precision and recall), arXiv 2002.09797 (density and coverage).

    >>> manifold([[0.0], [1.0], [3.0]], [[0.5], [1.5], [10.0]], k=1, k_density=1).recall
    1.0
    """
    checks.count("manifold: k", k)
    checks.count("manifold: k_density", k_density)
    real, samples = as_pair("manifold", real, samples, at_least=max(k, k_density) + 1, names=("real", "samples"))
    radii, radii_wide = _radii(real, k, k_density)
    (radii_samples,) = _radii(samples, k)
    precise, inside = np.zeros(len(samples), bool), 0
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for start in range(0, len(real), _BLOCK):
        rows = slice(start, start + _BLOCK)
        square = cdist(real[rows], samples, "sqeuclidean")
        precise |= (square <= radii[rows, None]).any(0)
        recalled[rows] = (square <= radii_samples).any(1)
        within = square <= radii_wide[rows, None]
        covered[rows] = within.any(1)
        inside += int(within.sum())
    return Manifold(float(precise.mean()), float(recalled.mean()), inside / (k_density * len(samples)), float(covered.mean()))


def _root(cov: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((cov + cov.T) / 2)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def _polynomial(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _unbiased(within_x: np.ndarray, within_y: np.ndarray, across: np.ndarray) -> float:
    n, m = across.shape
    within = [(kernel.sum() - np.trace(kernel)) / (size * (size - 1)) for kernel, size in ((within_x, n), (within_y, m))]
    return float(within[0] + within[1] - 2 * across.mean())


def _radii(points: np.ndarray, *ks: int) -> np.ndarray:
    """Squared distances `(len(ks), n)` from each point to its k-th nearest other one, for each k."""
    radii = np.empty((len(ks), len(points)))
    for start in range(0, len(points), _BLOCK):
        rows = slice(start, start + _BLOCK)
        # The point itself is the nearest, at distance zero.
        radii[:, rows] = np.partition(cdist(points[rows], points, "sqeuclidean"), ks, axis=1)[:, list(ks)].T
    return radii
