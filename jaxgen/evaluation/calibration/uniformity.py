"""A test of uniformity whose level is exact, and the bands that belong to it: every check of calibration ends here."""

import functools
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from jaxgen import checks

NUM_SIMULATIONS = 1_999
"""Sets of uniform numbers that the statistic is compared with; the level 0.05 is then a whole number of them."""


class Uniformity(NamedTuple):
    """Hold a test of uniformity.

    Attributes:
        p_value: The probability of so uneven a set, if the numbers are uniform; below 0.05 for one of twenty perfect models.
        grid: Points `(k,)` in (0, 1).
        ecdf: The share `(k,)` of the numbers below each point, which uniform numbers have equal to the point.
        low: The lower end `(k,)` of a band in which the whole curve of a perfect model stays with probability 0.95.
        high: The upper end.
    """

    p_value: float
    grid: np.ndarray
    ecdf: np.ndarray
    low: np.ndarray
    high: np.ndarray


def uniformity(u: np.ndarray, *, num_points: int = 50, level: float = 0.05, seed: int = 0) -> Uniformity:
    """Test whether independent numbers are uniform on [0, 1].

    The statistic is the smallest binomial tail probability of the number of values below a point of a grid. It is compared with that of
    simulated uniform numbers, so that the level holds for few numbers as for many.

    Args:
        u: Numbers `(n,)` in [0, 1].
        num_points: The number of points of the grid plus one.
        level: One minus the probability with which the band holds a perfect model's whole curve.
        seed: The seed of the simulations and of the choice between equal statistics.

    Returns:
        The p-value and the curve with its band.

    Raises:
        ValueError: A number is outside [0, 1].

    Source: arXiv 2103.10522, section 2.2.

    >>> import numpy as np
    >>> even, uneven = (uniformity(np.linspace(0, end, 100)).p_value for end in (1.0, 0.8))
    >>> even > 0.5, uneven < 0.01
    (True, True)
    """
    u = np.asarray(u, np.float64)
    checks.count("uniformity: num_points", num_points, 2)
    checks.number("uniformity: level", level, above=0, below=1)
    if u.ndim != 1 or not len(u) or not np.all((u >= 0) & (u <= 1)):
        raise ValueError(
            f"uniformity: u of shape {u.shape} with values in [{u.min(initial=1)}, {u.max(initial=0)}]; accepted: (n,) in [0, 1]."
        )
    grid = np.arange(1, num_points) / num_points
    counts = np.searchsorted(np.sort(u), grid, side="right")
    tails, simulated = _null(len(u), num_points, seed)
    statistic = tails[np.arange(len(grid)), counts].min()
    # Statistics are discrete: which of two equal ones is smaller is a coin, or the test would reject too seldom.
    equal = int((simulated == statistic).sum())
    smaller = int((simulated < statistic).sum()) + np.random.default_rng([seed, len(u), *counts[:3]]).integers(equal + 1)
    limit = np.quantile(simulated, level)
    inside = tails >= limit
    low, high = inside.argmax(1) / len(u), (inside.shape[1] - 1 - inside[:, ::-1].argmax(1)) / len(u)
    return Uniformity(float(1 + smaller) / (NUM_SIMULATIONS + 1), grid, counts / len(u), low, high)


@functools.lru_cache(maxsize=16)
def _null(num: int, num_points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the tail probability of each count at each point, `(points, num + 1)`, and the statistics of simulated uniform numbers."""
    grid, counts = np.arange(1, num_points)[:, None] / num_points, np.arange(num + 1)
    tails = np.minimum(binom.cdf(counts, num, grid), binom.sf(counts - 1, num, grid))
    drawn = np.random.default_rng([seed, num]).multinomial(num, np.full(num_points, 1 / num_points), NUM_SIMULATIONS).cumsum(1)[:, :-1]
    return tails, tails[np.arange(num_points - 1), drawn].min(1)
