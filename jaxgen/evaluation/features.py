"""Distances of two samples by their features: Frechet and kernel distance, precision and recall, density and coverage."""

from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from jaxgen.evaluation.distances import _at_least, _pair, _rng, _subsample

_BLOCK = 1_000  # rows of a distance matrix held at once


class Moments(NamedTuple):
    """Mean `(d,)` and covariance `(d, d)` of features, float64."""

    mean: np.ndarray
    cov: np.ndarray


class Manifold(NamedTuple):
    """precision, recall (arXiv 1904.06991), density, coverage (arXiv 2002.09797). All are near one for samples of the data's own law, and lie
    in [0, 1] but for the density."""

    precision: float
    recall: float
    density: float
    coverage: float


def moments(features: ArrayLike) -> Moments:
    """The moments of features `(n, d)`, n >= 2, the covariance with divisor n - 1."""
    x, _ = _pair(features, features, at_least=2)
    centred = x - x.mean(0)
    return Moments(x.mean(0), centred.T @ centred / (len(x) - 1))


def frechet_distance(a: Moments, b: Moments) -> float:
    """SQUARED Frechet distance of the Gaussians of two sets of moments: `|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`, at least 0.

    Dowson and Landau 1982; of Inception features it is the FID (arXiv 1706.08500). It is the squared 2-Wasserstein distance of those
    Gaussians. Estimated from samples it is biased upwards by about `d / n` of the scale: compare samples of equal number, and with a floor.
    Raises ValueError for moments of different or wrong shapes or that are not finite.
    """
    for name, m in (("a", a), ("b", b)):
        mean, cov = np.shape(m.mean), np.shape(m.cov)
        if len(mean) != 1 or cov != mean * 2 or mean != np.shape(a.mean):
            raise ValueError(
                f"{name}: mean of shape {mean}, cov of shape {cov}; both sets must have mean (d,) and cov (d, d) of the same d"
            )
        if not (np.isfinite(m.mean).all() and np.isfinite(m.cov).all()):
            raise ValueError(f"{name}: moments are not finite")
    cov_a, cov_b = np.asarray(a.cov, np.float64), np.asarray(b.cov, np.float64)
    # The product C_a C_b has the eigenvalues of this symmetric matrix, which stay real and non-negative where the product's would not.
    root = _root(cov_a)
    values = np.linalg.eigvalsh(root @ cov_b @ root)
    shift = np.asarray(a.mean, np.float64) - np.asarray(b.mean, np.float64)
    square = shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * np.sqrt(np.clip(values, 0, None)).sum()
    return max(0.0, float(square))


def kernel_distance(x: ArrayLike, y: ArrayLike, max_points: int = 2_000, seed: int | jax.Array = 0) -> float:
    """Unbiased estimate of the SQUARED maximum mean discrepancy of features `x: (n, d)`, `y: (m, d)` under the kernel `(a . b / d + 1)^3`.

    Of Inception features it is the KID (arXiv 1801.01401). Mean zero where both samples share a law, so slightly negative near zero. At most
    `max_points` points of each side enter. Raises ValueError for samples of fewer than two points, not finite or of different widths.
    """
    x, y = _pair(x, y, at_least=2)
    rng = _rng(seed)
    x, y = _subsample(x, _at_least(max_points, 2, "max_points"), rng), _subsample(y, max_points, rng)
    return _unbiased(_polynomial(x, x), _polynomial(y, y), _polynomial(x, y))


def kernel_spread(x: ArrayLike, max_points: int = 2_000, num_splits: int = 50, seed: int | jax.Array = 0) -> float:
    """Root mean square of `kernel_distance` between random halves of one sample `x: (n, d)`, each half of at most `max_points`.

    What is left of that distance by chance where the law is the same, and so its floor: its mean is zero.
    """
    x, _ = _pair(x, x, at_least=4)
    rng = _rng(seed)
    x = _subsample(x, 2 * _at_least(max_points, 2, "max_points"), rng)
    half, kernel = len(x) // 2, _polynomial(x, x)
    squares = []
    for _ in range(_at_least(num_splits, 1, "num_splits")):
        order = rng.permutation(len(x))
        one, two = order[:half], order[half : 2 * half]
        squares.append(_unbiased(kernel[np.ix_(one, one)], kernel[np.ix_(two, two)], kernel[np.ix_(one, two)]) ** 2)
    return float(np.sqrt(np.mean(squares)))


def manifold(real: ArrayLike, samples: ArrayLike, *, k: int = 3, k_density: int = 5) -> Manifold:
    """Precision, recall, density and coverage of `samples: (m, d)` against `real: (n, d)`, by balls that reach to nearest neighbours.

    Precision: share of samples within the ball of some real point, recall the reverse; balls to the `k`-th nearest neighbour among their own
    (arXiv 1904.06991). Density: mean number of real balls that hold a sample, over `k_density`; coverage: share of real balls that hold one
    (arXiv 2002.09797, balls to the `k_density`-th). For equal sets all but the density are exactly 1; give both sides equally many points.
    Raises ValueError for sets of too few points, not finite or of different widths.
    """
    most = max(_at_least(k, 1, "k"), _at_least(k_density, 1, "k_density"))
    real, samples = _pair(real, samples, at_least=most + 1)
    radii, radii_wide = _radii(real, k, k_density)
    (own,) = _radii(samples, k)
    precise, inside = np.zeros(len(samples), bool), 0
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for start in range(0, len(real), _BLOCK):
        rows = slice(start, start + _BLOCK)
        square = cdist(real[rows], samples, "sqeuclidean")
        precise |= (square <= radii[rows, None]).any(0)
        recalled[rows] = (square <= own).any(1)
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
    own = [(kernel.sum() - np.trace(kernel)) / (size * (size - 1)) for kernel, size in ((within_x, n), (within_y, m))]
    return float(own[0] + own[1] - 2 * across.mean())


def _radii(points: np.ndarray, *ks: int) -> np.ndarray:
    """Squared distances `(len(ks), n)` from each point to its k-th nearest other one, for each k."""
    radii = np.empty((len(ks), len(points)))
    for start in range(0, len(points), _BLOCK):
        rows = slice(start, start + _BLOCK)
        # The point itself is the nearest, at distance zero.
        radii[:, rows] = np.partition(cdist(points[rows], points, "sqeuclidean"), ks, axis=1)[:, list(ks)].T
    return radii
