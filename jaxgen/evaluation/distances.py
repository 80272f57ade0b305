"""Distances between two samples, and how much of each true mode a sample holds: pure functions, arrays in, floats out."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist

_CHUNK = 32  # projections sorted at once: (32, n) floats, 2.5 MB at n = 10,000 whatever d is
_MEDIAN_POINTS = 1_000  # the median of half a million pairwise distances is known to well under a percent


def sliced_w2(x: ArrayLike, y: ArrayLike, seed: int | jax.Array = 0, num_projections: int = 256) -> float:
    """Sliced 2-Wasserstein distance between samples `x: (n, d)` and `y: (m, d)`, in the units of the data.

    The root of the mean, over `num_projections` directions uniform on the sphere, of the squared 1-D W2 between the projected samples
    (Bonneel et al. 2015, Sliced and Radon Wasserstein barycenters). Each 1-D term is exact, also for n != m: the integral of the squared
    difference of the two step quantile functions. `seed` is an integer or a JAX key; the same one gives the same directions.
    A shift by `v` has the expected square `|v|^2 / d`. Raises ValueError for samples that are empty, not finite or of different widths.
    """
    x, y = _pair(x, y)
    if num_projections < 1:
        raise ValueError(f"num_projections is {num_projections}; it must be at least 1")
    take_x, take_y, widths = _quantile_steps(len(x), len(y))
    directions = _rng(seed).standard_normal((num_projections, x.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    total = 0.0
    for start in range(0, num_projections, _CHUNK):
        block = directions[start : start + _CHUNK]
        gaps = np.sort(block @ x.T, axis=1)[:, take_x] - np.sort(block @ y.T, axis=1)[:, take_y]
        total += float(np.sum(np.square(gaps, out=gaps) @ widths))
    return float(np.sqrt(total / num_projections))


def w2(x: ArrayLike, y: ArrayLike, max_points: int = 2_000, seed: int | jax.Array = 0) -> float:
    """2-Wasserstein distance of the empirical measures of `x: (n, d)` and `y: (m, d)`, in the units of the data.

    Exact on `k = min(max_points, n, m)` points drawn without replacement from each side: an optimal assignment under squared Euclidean
    cost, then the root of the mean cost. It is biased upwards by sampling, so read it beside the value of real against real data.
    Raises ValueError for samples that are empty, not finite or of different widths.
    """
    x, y = _pair(x, y)
    k = min(_at_least(max_points, 1, "max_points"), len(x), len(y))
    rng = _rng(seed)
    x, y = _subsample(x, k, rng), _subsample(y, k, rng)
    # The best assignment is the one of the largest sum of inner products, so shifting y or scaling it by a positive number leaves it alone.
    # Brought to the place and size of x, and with its columns reduced, the same problem is solved up to thirty times faster.
    spread_x, spread_y = np.linalg.norm(x - x.mean(0)), np.linalg.norm(y - y.mean(0))
    matched = (y - y.mean(0)) * (spread_x / spread_y if spread_x > 0 and spread_y > 0 else 1.0) + x.mean(0)
    cost = cdist(x, matched, "sqeuclidean")
    rows, columns = linear_sum_assignment(cost - cost.min(axis=0))
    return float(np.sqrt(np.square(x[rows] - y[columns]).sum(axis=1).mean()))


def mmd(
    x: ArrayLike, y: ArrayLike, scales: tuple[float, ...] = (0.5, 1.0, 2.0), max_points: int = 2_000, seed: int | jax.Array = 0
) -> float:
    """Unbiased estimate of the SQUARED maximum mean discrepancy of `x: (n, d)` and `y: (m, d)`; no unit; slightly negative near zero.

    The U-statistic of Gretton et al. 2012 (A kernel two-sample test, eq. 3) for the mean of the Gaussian kernels
    `exp(-|a - b|^2 / (2 (s h)^2))`, `s` in `scales` and `h` the median distance within the pooled sample. It has mean zero when both
    samples share a law. At most `max_points` points of each side are used. Raises ValueError for samples of fewer than two points,
    not finite or of different widths, and for scales that are not positive.
    """
    x, y = _pair(x, y, at_least=2)
    if not scales or any(not scale > 0 for scale in scales):
        raise ValueError(f"scales is {scales}; it must hold at least one number, all positive")
    rng = _rng(seed)
    x, y = _subsample(x, _at_least(max_points, 2, "max_points"), rng), _subsample(y, max_points, rng)
    pooled = pdist(_subsample(np.concatenate([x, y]), _MEDIAN_POINTS, rng))
    # Where more than half of all pairs coincide the median is zero and says nothing of scale: the mean does. Both are zero only for one
    # point repeated throughout.
    bandwidth = float(np.median(pooled)) or float(pooled.mean())
    if bandwidth == 0.0:
        return 0.0
    squares = [pdist(x, "sqeuclidean"), pdist(y, "sqeuclidean"), cdist(x, y, "sqeuclidean")]
    within_x, within_y, across = (
        np.mean([np.exp(square * (-0.5 / (scale * bandwidth) ** 2)).mean() for scale in scales]) for square in squares
    )
    return float(within_x + within_y - 2.0 * across)


def energy_distance(x: ArrayLike, y: ArrayLike, max_points: int = 2_000, seed: int | jax.Array = 0) -> float:
    """Unbiased estimate of `2 E|X - Y| - E|X - X'| - E|Y - Y'|` for `x: (n, d)` and `y: (m, d)`, in the units of the data.

    Székely and Rizzo 2013 (Energy statistics), as a U-statistic: it has mean zero when both samples share a law, so it is slightly
    negative near zero. No root is taken. At most `max_points` points of each side are used. Raises ValueError for samples of fewer than
    two points, not finite or of different widths.
    """
    x, y = _pair(x, y, at_least=2)
    rng = _rng(seed)
    x, y = _subsample(x, _at_least(max_points, 2, "max_points"), rng), _subsample(y, max_points, rng)
    return float(2.0 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean())


def mode_shares(labels: ArrayLike, num_modes: int) -> np.ndarray:
    """Share of the samples on each mode, `(num_modes,)`, from `labels: (n,)` of integers; -1 marks a sample that belongs to no mode.

    The shares sum to one minus the share of -1. Raises ValueError for labels that are empty, not integers or outside [-1, num_modes).
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels has shape {labels.shape} and dtype {labels.dtype}; it must be integers of shape (n,), n >= 1")
    low, high = int(labels.min()), int(labels.max())
    if low < -1 or high >= num_modes:
        raise ValueError(f"labels run from {low} to {high}; with num_modes = {num_modes} they must lie in -1 .. {num_modes - 1}")
    return np.bincount(labels[labels >= 0], minlength=num_modes) / labels.size


def mode_coverage(labels: ArrayLike, weights: ArrayLike) -> float:
    """Share of the true modes that hold at least a quarter of their mass, in [0, 1].

    `labels: (n,)` is the mode of each sample (-1: none) and `weights: (k,)` the true mass of each mode. Raises ValueError for weights that
    are not positive or do not sum to one, and as `mode_shares` does.
    """
    weights = np.asarray(weights, dtype=float)
    if weights.ndim != 1 or weights.size == 0 or not np.all(weights > 0) or abs(weights.sum() - 1.0) > 1e-4:
        raise ValueError(f"weights is {weights.tolist()}; it must be of shape (k,), positive, with sum 1")
    return float(np.mean(mode_shares(labels, len(weights)) >= 0.25 * weights))


def _pair(x: ArrayLike, y: ArrayLike, at_least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Both samples as float64 `(n, d)`, checked."""
    checked = []
    for name, given in (("x", x), ("y", y)):
        points = np.asarray(given, dtype=np.float64)
        if points.ndim != 2 or len(points) < at_least or points.shape[1] == 0:
            raise ValueError(f"{name} has shape {points.shape}; it must be (n, d) with n >= {at_least} and d >= 1")
        bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
        if bad.size:
            raise ValueError(f"{name} holds {bad.size} rows of {len(points)} that are not finite, the first is row {bad[0]}")
        checked.append(points)
    if checked[0].shape[1] != checked[1].shape[1]:
        raise ValueError(f"x has d = {checked[0].shape[1]} and y has d = {checked[1].shape[1]}; both must have the same d")
    return checked[0], checked[1]


def _quantile_steps(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices into two sorted samples, and widths, of the intervals on which both step quantile functions are constant."""
    # In units of 1 / (n m) all breakpoints are integers, so none is missed or doubled by rounding.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    starts = np.concatenate([[0], ends[:-1]])
    return starts // m, starts // n, (ends - starts) / (n * m)


def _subsample(points: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    return points if len(points) <= k else points[rng.choice(len(points), k, replace=False)]


def _at_least(value: int, least: int, name: str) -> int:
    if value < least:
        raise ValueError(f"{name} is {value}; it must be at least {least}")
    return value


def _rng(seed: int | jax.Array) -> np.random.Generator:
    if isinstance(seed, jax.Array) and jnp.issubdtype(seed.dtype, jax.dtypes.prng_key):
        return np.random.default_rng(np.asarray(jax.random.key_data(seed)).ravel())
    return np.random.default_rng(int(seed))
