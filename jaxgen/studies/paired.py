"""Effects over seeds: the same seed with and without a change, their mean difference, its interval and its p-value."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats

from jaxgen import checks


class Effect(NamedTuple):
    """The effect of a change, from pairs that share their seed.

    Attributes:
        mean: The mean difference, after minus before; for ratios the geometric mean of after over before.
        low: Lower end of the interval that covers the mean with the stated confidence.
        high: Its upper end.
        p: The two-sided p-value of no effect, by the paired t-test (of the logarithms, for ratios).
        pairs: The number of pairs.
    """

    mean: float
    low: float
    high: float
    p: float
    pairs: int

    def __str__(self) -> str:
        p = "p < .001" if self.p < 1e-3 else f"p = {self.p:.3f}".replace("0.", ".", 1)
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}], {p}, {self.pairs} pairs"


def paired(before: Sequence[float], after: Sequence[float], *, ratio: bool = False, confidence: float = 0.95) -> Effect:
    """Estimate the effect of a change from pairs of runs that share their seed.

    Args:
        before: One figure for each seed without the change.
        after: The figures of the same seeds, in the same order, with the change.
        ratio: Whether the effect is a factor instead of a difference; all figures are then positive.
        confidence: The share of intervals that cover the true mean.

    Returns:
        The effect. The interval and p-value are those of Student's t, hence exact if the differences are normal.

    Raises:
        ValueError: There are fewer than two pairs, the lengths differ, a figure is not finite, or a ratio has a figure of at most 0.

    >>> effect = paired([1.0, 1.2, 1.1], [0.5, 0.6, 0.55], ratio=True)
    >>> round(effect.mean, 6), effect.pairs
    (0.5, 3)
    """
    checks.number("paired: confidence", confidence, above=0, below=1)
    old, new = np.asarray(before, float), np.asarray(after, float)
    if old.shape != new.shape or old.ndim != 1 or len(old) < 2:
        raise ValueError(f"paired: before and after of shapes {old.shape} and {new.shape}; accepted: one shape (n,), n at least 2.")
    if not np.isfinite([old, new]).all() or (ratio and min(old.min(), new.min()) <= 0):
        accepted = "finite numbers above 0" if ratio else "finite numbers"
        raise ValueError(f"paired: before={old.tolist()}, after={new.tolist()}; accepted: {accepted}.")
    differences = np.log(new) - np.log(old) if ratio else new - old
    mean, error, freedom = float(differences.mean()), float(scipy.stats.sem(differences)), len(differences) - 1
    reach = error * float(scipy.stats.t.ppf((1 + confidence) / 2, freedom))
    low, high = mean - reach, mean + reach
    # The t statistic of equal differences is infinite, or undefined if all are zero.
    p = float(2 * scipy.stats.t.sf(abs(mean) / error, freedom)) if error > 0 else float(mean == 0)
    ends = [math.exp(v) for v in (mean, low, high)] if ratio else [mean, low, high]
    return Effect(ends[0], ends[1], ends[2], p, len(differences))
