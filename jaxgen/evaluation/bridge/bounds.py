"""What a map from one Gaussian must pay to reach separated sets: bounds in closed form (proofs in docs/explanation/bridge.md)."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, norm

from jaxgen import checks


def isoperimetric_profile(p: ArrayLike) -> np.ndarray:
    """Return `phi(Phi^-1(p))`, the least Gaussian surface of a set of Gaussian measure p; it is 0 at 0 and at 1.

    >>> round(float(isoperimetric_profile(0.5)), 4)
    0.3989
    """
    return norm.pdf(norm.ppf(np.asarray(p, np.float64)))


def bridge_bound(p: float, width: float, lipschitz: float) -> float:
    """Return the least probability of the gap around a set that a Lipschitz map of Gaussian noise leaves.

    The points within `width` of a set of probability p, and not in it, have at least the probability `Phi(Phi^-1(p) + w / L) - p`. The map
    `clip(L (z - a))` attains it.

    Args:
        p: Probability of the set, from 0 to 1.
        width: Width w of the gap around it, in the units of the events.
        lipschitz: Lipschitz constant L of the map.

    Returns:
        The probability.

    >>> round(bridge_bound(0.5, 1.0, 1.0), 4)
    0.3413
    """
    checks.number("bridge_bound: p", p, least=0, most=1)
    checks.number("bridge_bound: width", width, least=0)
    checks.number("bridge_bound: lipschitz", lipschitz, above=0)
    return float(norm.cdf(norm.ppf(p) + width / lipschitz) - p)


def bridge_bound_of_sets(p: ArrayLike, gaps: ArrayLike, lipschitz: float) -> float:
    """Return the least probability outside K sets that a Lipschitz map of Gaussian noise leaves: it is at least the space between them.

    Args:
        p: Probabilities `(K,)` of the sets.
        gaps: Distance `(K,)` of each set to all others.
        lipschitz: Lipschitz constant of the map.

    Returns:
        The probability `sum_i Phi(Phi^-1(p_i) + r_i / L) - p_i`, with r_i half the gap of set i. Above `1 - sum(p)` no such map exists.

    >>> round(bridge_bound_of_sets([0.25, 0.25], [2.0, 2.0], 1.0), 4)
    0.7552
    """
    checks.number("bridge_bound_of_sets: lipschitz", lipschitz, above=0)
    p, radii = np.asarray(p, np.float64), np.asarray(gaps, np.float64) / 2
    return float(np.sum(norm.cdf(norm.ppf(p) + radii / lipschitz) - p))


def least_lipschitz(p: float, q: float, width: float) -> float:
    """Return the least Lipschitz constant of a map of Gaussian noise that gives two sets at a distance these probabilities.

    Args:
        p: Probability of one set.
        q: Probability of the other set; `p + q` is at most 1.
        width: Distance of the sets.

    Returns:
        `w / (Phi^-1(1 - p) - Phi^-1(q))`, infinite if nothing lies between the sets.

    >>> round(least_lipschitz(0.25, 0.25, 1.0), 4)
    0.7413
    """
    for name, value in (("p", p), ("q", q)):
        checks.number(f"least_lipschitz: {name}", value, least=0, most=1)
    checks.number("least_lipschitz: width", width, least=0)
    room = norm.ppf(1 - p) - norm.ppf(q)
    return width / float(room) if room > 0 else math.inf


def least_lipschitz_of_sets(p: ArrayLike, gaps: ArrayLike) -> float:
    """Return the least Lipschitz constant of a map of Gaussian noise that gives K separated sets these probabilities.

    Args:
        p: Probabilities `(K,)` of the sets, whose sum is at most 1.
        gaps: Distance `(K,)` of each set to all others.

    Returns:
        The L at which `sum_i Phi(Phi^-1(p_i) + r_i / L) = 1`, with r_i half the gap of set i; infinite if the sum of p is 1.

    >>> round(least_lipschitz_of_sets([0.25, 0.25], [1.0, 1.0]), 4)
    0.7413
    """
    p, radii = np.asarray(p, np.float64), np.asarray(gaps, np.float64) / 2
    kept = (p > 0) & (radii > 0)
    if not kept.any() or p.sum() >= 1 - 1e-12:
        return math.inf if kept.any() else 0.0

    def excess(steepness: float) -> float:
        return float(np.sum(norm.cdf(norm.ppf(p[kept]) + radii[kept] * steepness)) - 1)

    low, high = -30.0, 30.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(math.exp(middle)) < 0 else (low, middle)
    return math.exp(-high)


class Interval(NamedTuple):
    """Hold a confidence interval of a probability.

    Attributes:
        low: The lower end.
        high: The upper end.
    """

    low: float
    high: float


def clopper_pearson(count: int, num: int, level: float = 0.95) -> Interval:
    """Return the Clopper-Pearson interval of a probability, which covers it with at least the probability `level` for every n.

    Args:
        count: Number of hits.
        num: Number of draws.
        level: Probability with which the interval covers.

    Returns:
        The interval.

    >>> interval = clopper_pearson(0, 10)
    >>> interval.low, round(interval.high, 4)
    (0.0, 0.3085)
    """
    checks.count("clopper_pearson: num", num)
    checks.count("clopper_pearson: count", count, 0)
    checks.number("clopper_pearson: level", level, above=0, below=1)
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(beta.ppf(tail, count, num - count + 1))
    return Interval(low, 1.0 if count == num else float(beta.ppf(1 - tail, count + 1, num - count)))


def certified_lipschitz(inside: int, other: int, num: int, width: float, level: float = 0.95) -> float:
    """Return a number below the Lipschitz constant of a map, from counts of samples alone and with the given confidence.

    The bound `w / (Phi^-1(p + b) - Phi^-1(p))` with `b = 1 - p - q` is taken at the worst p of an interval and at the upper limit of b.
    Its denominator is convex in p, so the worst p is an end. In this form a small b is known far better than `1 - p - q` would tell.

    Args:
        inside: Number of samples in the one set.
        other: Number of samples in the other set.
        num: Number of samples.
        width: Distance of the sets.
        level: Confidence.

    Returns:
        The number, 0 if the samples say nothing.

    Raises:
        ValueError: The counts exceed `num`.

    >>> round(certified_lipschitz(500, 500, 1_000, width=4.0))
    431
    """
    if inside + other > num:
        raise ValueError(f"certified_lipschitz: inside={inside}, other={other}; accepted: at most num={num} together.")
    spare = (1 - level) / 2
    ends = clopper_pearson(inside, num, 1 - spare)
    # One-sided: a two-sided interval of twice the error has that upper end.
    most = clopper_pearson(num - inside - other, num, 1 - 2 * spare).high
    room = max(norm.ppf(min(p + most, 1.0)) - norm.ppf(p) for p in ends)
    return width / float(room) if np.isfinite(room) and room > 0 else 0.0
