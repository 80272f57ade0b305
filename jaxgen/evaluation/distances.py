"""Distances between two samples, and how much of each true mode a sample holds: pure functions, arrays in, floats out."""

from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist

from jaxgen import checks

Seed: TypeAlias = int | jax.Array
"""An integer or a JAX key; the same one gives the same result."""

_CHUNK = 32  # projections sorted at once: (32, n) floats, 2.5 MB at n = 10,000 whatever d is
_MEDIAN_POINTS = 1_000  # the median of half a million pairwise distances is known to well under a percent


def sliced_w2(x: ArrayLike, y: ArrayLike, seed: Seed = 0, num_projections: int = 256) -> float:
    """Return the sliced 2-Wasserstein distance of two samples, in the units of the data.

    It is the root of the mean, over random directions, of the squared 1-D W2 of the projected samples. Each 1-D distance is exact, also if
    the samples differ in size: the integral of the squared difference of two step quantile functions. A shift by `v` gives `|v| / sqrt(d)`.

    Args:
        x: Sample `(n, d)`.
        y: Sample `(m, d)`.
        seed: Integer or JAX key of the directions.
        num_projections: Number of directions, uniform on the sphere.

    Returns:
        The distance, at least 0.

    Raises:
        ValueError: A sample is empty, not finite, or of another width.

    Source: Bonneel et al. 2015, Sliced and Radon Wasserstein barycenters of measures.

    >>> sliced_w2([[0.0], [1.0]], [[2.0], [3.0]])
    2.0
    """
    x, y = as_pair("sliced_w2", x, y)
    checks.count("sliced_w2: num_projections", num_projections)
    take_x, take_y, widths = _quantile_steps(len(x), len(y))
    directions = generator(seed).standard_normal((num_projections, x.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    total = 0.0
    for start in range(0, num_projections, _CHUNK):
        block = directions[start : start + _CHUNK]
        gaps = np.sort(block @ x.T, axis=1)[:, take_x] - np.sort(block @ y.T, axis=1)[:, take_y]
        total += float(np.sum(np.square(gaps, out=gaps) @ widths))
    return float(np.sqrt(total / num_projections))


def w2(x: ArrayLike, y: ArrayLike, max_points: int = 2_000, seed: Seed = 0) -> float:
    """Return the 2-Wasserstein distance of two samples by optimal assignment, in the units of the data.

    It is exact for the points that enter: `k = min(max_points, n, m)` of each side, drawn without replacement. As an estimate of the
    distance of the distributions it is biased upwards, so read it beside its value for two samples of real data.

    Args:
        x: Sample `(n, d)`.
        y: Sample `(m, d)`.
        max_points: Largest number of points of each side that enter; the cost grows with its third power.
        seed: Integer or JAX key of the choice of these points.

    Returns:
        The distance, at least 0.

    Raises:
        ValueError: A sample is empty, not finite, or of another width.

    >>> w2([[0.0, 0.0], [1.0, 0.0]], [[1.0, 2.0], [0.0, 2.0]])
    2.0
    """
    x, y = as_pair("w2", x, y)
    checks.count("w2: max_points", max_points)
    k = min(max_points, len(x), len(y))
    rng = generator(seed)
    x, y = subsample(x, k, rng), subsample(y, k, rng)
    # The best assignment is the one of the largest sum of inner products, so shifting y or scaling it by a positive number leaves it alone.
    # Brought to the place and size of x, and with its columns reduced, the same problem is solved up to thirty times faster.
    size_x, size_y = np.linalg.norm(x - x.mean(0)), np.linalg.norm(y - y.mean(0))
    matched = (y - y.mean(0)) * (size_x / size_y if size_x > 0 and size_y > 0 else 1.0) + x.mean(0)
    cost = cdist(x, matched, "sqeuclidean")
    rows, columns = linear_sum_assignment(cost - cost.min(axis=0))
    return float(np.sqrt(np.square(x[rows] - y[columns]).sum(axis=1).mean()))


def mmd(x: ArrayLike, y: ArrayLike, scales: tuple[float, ...] = (0.5, 1.0, 2.0), max_points: int = 2_000, seed: Seed = 0) -> float:
    """Estimate, without bias, the SQUARED maximum mean discrepancy of two samples under a mean of Gaussian kernels.

    The kernels are `exp(-|a - b|^2 / (2 (s h)^2))`, with `s` in `scales` and `h` the median distance within the pooled sample. The mean of
    the estimate is zero if both samples come from one distribution, so it can be slightly negative.

    Args:
        x: Sample `(n, d)`, n >= 2.
        y: Sample `(m, d)`, m >= 2.
        scales: Widths of the kernels, as multiples of the median distance.
        max_points: Largest number of points of each side that enter.
        seed: Integer or JAX key of the choice of these points.

    Returns:
        The estimate, without a unit.

    Raises:
        ValueError: A sample has fewer than two points, is not finite, or has another width; or a scale is not positive.

    Source: Gretton et al. 2012, A kernel two-sample test, eq. 3.

    >>> mmd([[0.0], [0.0]], [[1.0], [1.0]], scales=(1.0,))  # 2 - 2 exp(-1/2)
    0.78693...
    """
    x, y = as_pair("mmd", x, y, at_least=2)
    if not scales or any(not scale > 0 for scale in scales):
        raise ValueError(f"mmd: scales={scales!r}; accepted: one or more positive numbers.")
    checks.count("mmd: max_points", max_points, 2)
    rng = generator(seed)
    x, y = subsample(x, max_points, rng), subsample(y, max_points, rng)
    pooled = pdist(subsample(np.concatenate([x, y]), _MEDIAN_POINTS, rng))
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


def energy_distance(x: ArrayLike, y: ArrayLike, max_points: int = 2_000, seed: Seed = 0) -> float:
    """Estimate, without bias, the energy distance `2 E|X - Y| - E|X - X'| - E|Y - Y'|` of two samples.

    The mean of the estimate is zero if both samples come from one distribution, so it can be slightly negative. No root is taken.

    Args:
        x: Sample `(n, d)`, n >= 2.
        y: Sample `(m, d)`, m >= 2.
        max_points: Largest number of points of each side that enter.
        seed: Integer or JAX key of the choice of these points.

    Returns:
        The estimate, in the units of the data.

    Raises:
        ValueError: A sample has fewer than two points, is not finite, or has another width.

    Source: Szekely and Rizzo 2013, Energy statistics.

    >>> energy_distance([[0.0], [0.0]], [[1.0], [1.0]])
    2.0
    """
    x, y = as_pair("energy_distance", x, y, at_least=2)
    checks.count("energy_distance: max_points", max_points, 2)
    rng = generator(seed)
    x, y = subsample(x, max_points, rng), subsample(y, max_points, rng)
    return float(2.0 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean())


def mode_shares(labels: ArrayLike, num_modes: int) -> np.ndarray:
    """Return the share of the samples on each mode.

    Args:
        labels: Mode `(n,)` of each sample, an integer below `num_modes`; -1 marks a sample that belongs to no mode.
        num_modes: Number of modes.

    Returns:
        Shares `(num_modes,)`, whose sum is one minus the share of -1.

    Raises:
        ValueError: The labels are empty, no integers, or outside the range from -1 to `num_modes - 1`.

    >>> mode_shares([0, 0, 1, -1], 2).tolist()
    [0.5, 0.25]
    """
    checks.count("mode_shares: num_modes", num_modes)
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"mode_shares: labels={labels.dtype} of shape {labels.shape}; accepted: integers (n,) with n >= 1.")
    low, high = int(labels.min()), int(labels.max())
    if low < -1 or high >= num_modes:
        raise ValueError(f"mode_shares: labels from {low} to {high}; accepted: integers from -1 to {num_modes - 1}.")
    return np.bincount(labels[labels >= 0], minlength=num_modes) / labels.size


def mode_coverage(labels: ArrayLike, weights: ArrayLike) -> float:
    """Return the share of the true modes that hold at least a quarter of their probability.

    Args:
        labels: Mode `(n,)` of each sample; -1 marks a sample that belongs to no mode.
        weights: True probability `(k,)` of each mode.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: The weights are not positive or do not sum to one, or `mode_shares` refuses the labels.

    >>> mode_coverage([0, 0, 0, 1], [0.5, 0.25, 0.25])
    0.66666...
    """
    weights = checks.numbers("mode_coverage: weights", weights, "positive numbers (k,) with sum 1")
    if weights.ndim != 1 or weights.size == 0 or not np.all(weights > 0) or abs(weights.sum() - 1.0) > 1e-4:
        raise ValueError(f"mode_coverage: weights={weights.tolist()}; accepted: positive numbers (k,) with sum 1.")
    return float(np.mean(mode_shares(labels, len(weights)) >= 0.25 * weights))


def as_pair(
    function: str, x: ArrayLike, y: ArrayLike, at_least: int = 1, names: tuple[str, str] = ("x", "y")
) -> tuple[np.ndarray, np.ndarray]:
    """Return both samples as float64, after a check of their shapes and numbers.

    Args:
        function: The name of the function whose arguments these are, for the message.
        x: One sample `(n, d)`.
        y: The other sample `(m, d)`.
        at_least: The least number of points in each.
        names: The names of the two arguments, for the message.

    Returns:
        Both samples.

    Raises:
        ValueError: A sample has another shape, too few points or a number that is not finite, or the two dimensions differ.
    """
    checked = []
    for name, given in zip(names, (x, y), strict=True):
        points = checks.numbers(f"{function}: {name}", given, f"an array of numbers (n, d) with n >= {at_least}")
        if points.ndim != 2 or len(points) < at_least or points.shape[1] == 0:
            raise ValueError(f"{function}: {name}=array of shape {points.shape}; accepted: (n, d) with n >= {at_least} and d >= 1.")
        bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
        if bad.size:
            where = f"{bad.size} rows of {len(points)} are not finite, the first is row {bad[0]}"
            raise ValueError(f"{function}: {name}: {where}; accepted: finite numbers.")
        checked.append(points)
    if checked[0].shape[1] != checked[1].shape[1]:
        widths = f"{names[0]} has d = {checked[0].shape[1]} and {names[1]} has d = {checked[1].shape[1]}"
        raise ValueError(f"{function}: {widths}; accepted: the same d.")
    return checked[0], checked[1]


def subsample(points: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `k` of the points without replacement; keep all of them if there are no more.

    Args:
        points: Points `(n, d)`.
        k: The number of points to draw.
        rng: A NumPy generator.

    Returns:
        Points `(min(n, k), d)`.
    """
    return points if len(points) <= k else points[rng.choice(len(points), k, replace=False)]


def generator(seed: Seed) -> np.random.Generator:
    """Return NumPy's generator for an integer or a JAX key."""
    if isinstance(seed, jax.Array) and jnp.issubdtype(seed.dtype, jax.dtypes.prng_key):
        return np.random.default_rng(np.asarray(jax.random.key_data(seed)).ravel())
    return np.random.default_rng(int(seed))


def _quantile_steps(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices into two sorted samples, and widths, of the intervals on which both step quantile functions are constant."""
    # In units of 1 / (n m) all breakpoints are integers, so none is missed or doubled by rounding.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    starts = np.concatenate([[0], ends[:-1]])
    return starts // m, starts // n, (ends - starts) / (n * m)
