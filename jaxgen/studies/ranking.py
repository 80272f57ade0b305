"""A leaderboard over seeds: means with intervals, and ranks that only a paired test can tell apart."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats

from jaxgen import checks
from jaxgen.studies.paired import paired


class Place(NamedTuple):
    """Hold the place of one model on a leaderboard.

    Attributes:
        name: The model.
        mean: The mean of its figure over the seeds.
        low: The lower end of the interval that covers the mean with the stated confidence; NaN for one seed.
        high: Its upper end.
        seeds: The number of seeds.
        rank: One more than the number of models that are better beyond chance; models that no test tells apart share a rank.
    """

    name: str
    mean: float
    low: float
    high: float
    seeds: int
    rank: int


def ranking(figures: Mapping[str, Mapping[int, float]], *, confidence: float = 0.95) -> list[Place]:
    """Rank models by a figure of which smaller is better.

    A model is better than another one if its mean is smaller and the paired t-test over the seeds that both have rejects equality. The
    p-values of all pairs are corrected together by Holm's method, so that a leaderboard of normal figures has any wrong order with a
    probability of at most `1 - confidence`. With one seed there is no test, and all models share the first rank: one run of each does not
    order them.

    Args:
        figures: By model, the figure of each seed.
        confidence: The share of intervals that cover the true mean, and of leaderboards without a wrong order.

    Returns:
        The places in the order of the means.

    Raises:
        ValueError: A model has no seed, or a figure is not finite.

    Source: Holm 1979, Scand. J. Statist. 6; Student's t for the intervals.

    >>> seeds = {0: 1.0, 1: 1.2, 2: 0.9}
    >>> close = {seed: value + shift for (seed, value), shift in zip(seeds.items(), (0.1, -0.1, 0.05))}
    >>> worse = {seed: value + 1.0 + 0.01 * seed for seed, value in seeds.items()}
    >>> [(place.name, place.rank) for place in ranking({"a": seeds, "b": close, "c": worse})]
    [('a', 1), ('b', 1), ('c', 3)]
    """
    checks.number("ranking: confidence", confidence, above=0, below=1)
    for name, by_seed in figures.items():
        if not by_seed or not np.isfinite(list(by_seed.values())).all():
            raise ValueError(f"ranking: figures[{name!r}]={dict(by_seed)!r}; accepted: a finite number for each of at least one seed.")
    order = sorted(figures, key=lambda name: float(np.mean(list(figures[name].values()))))
    worse = _worse(figures, order, 1 - confidence)
    return [Place(name, *_interval(list(figures[name].values()), confidence), 1 + worse[name]) for name in order]


def _worse(figures: Mapping[str, Mapping[int, float]], order: Sequence[str], level: float) -> dict[str, int]:
    """Count, for each model, the models that are better beyond chance."""
    pairs = [(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]
    tested = sorted((p, b) for a, b in pairs if (p := _p_value(figures[a], figures[b])) is not None)
    counts = dict.fromkeys(order, 0)
    for i, (p, name) in enumerate(tested):
        if p > level / (len(tested) - i):
            break
        counts[name] += 1
    return counts


def _p_value(a: Mapping[int, float], b: Mapping[int, float]) -> float | None:
    """The p-value of equal means, by the seeds that both have; None if these are fewer than two or order the models otherwise."""
    shared = sorted(set(a) & set(b))
    if len(shared) < 2:
        return None
    effect = paired([a[seed] for seed in shared], [b[seed] for seed in shared])
    return effect.p if effect.mean > 0 else 1.0


def _interval(values: Sequence[float], confidence: float) -> tuple[float, float, float, int]:
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return mean, math.nan, math.nan, count
    reach = float(scipy.stats.sem(values) * scipy.stats.t.ppf((1 + confidence) / 2, count - 1))
    return mean, mean - reach, mean + reach, count
