"""Mode collapse: real events around which a model puts nearly nothing, with and without labels of modes."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.spatial import KDTree
from scipy.stats import binom

from jaxgen import checks
from jaxgen.evaluation.detectors.finding import LEVEL, Finding, permutation_p
from jaxgen.evaluation.distances import as_pair, mode_shares, subsample

NEIGHBOUR = 20
FEW = 2
AROUND = 10
"""How many of the nearest probes say whether a bare probe lies in a region that is bare."""
WHOLE = 0.9
"""The share of bare probes among a probe and those around it above which the region is bare. The thin rim of a mode stays below it."""
LOST = 0.05
"""The share of real events in bare regions above which coverage counts as lost."""
HOLLOW = 0.25
"""A labelled mode counts as lost if it has less than this share of its probability."""


def lost_coverage(samples: ArrayLike, real: ArrayLike, *, seed: int = 0, num_permutations: int = 499, most: int = 2_000) -> Finding:
    """Look for real events that the model does not reach, without labels of modes.

    The real events are split into references, probes and a third sample. A probe's radius is the distance of its 20th reference. A sample
    covers a probe if more than two of its events lie within that radius. If the model is right, its samples and the third sample are
    exchangeable, so permuting them gives an exact p-value of the number of probes that the model leaves bare beyond the third sample. The
    effect counts the bare probes whose ten nearest probes are nearly all bare too, beyond those of the third sample: the share of real events
    in regions where the model has less than about a tenth of the true density. The rims of modes that are a little too narrow, which healthy
    generators have, do not count. Regions are found in a few dimensions; in many, lost events are found by the p-value alone.

    Args:
        samples: The model's samples `(n, d)`.
        real: Real events `(m, d)` that the model was not trained on.
        seed: Seed of the split and of the permutations.
        num_permutations: Number of permutations.
        most: Largest number of events of each of the four samples.

    Returns:
        The finding; its effect is the share of real events that are lost.

    Raises:
        ValueError: There are fewer than 60 events of a kind, or the shapes disagree.

    >>> x = np.random.default_rng(0).normal(size=(1_000, 2))
    >>> lost_coverage(np.abs(x), x).alarm, lost_coverage(x[:400], x[400:]).alarm
    (True, False)
    """
    checks.counts("lost_coverage", num_permutations=num_permutations, most=most)
    samples, real = as_pair("lost_coverage", samples, real, at_least=60, names=("samples", "real"))
    rng = np.random.default_rng(seed)
    size = min(len(samples), len(real) // 3, most)
    model, rest = subsample(samples, size, rng), subsample(real, 3 * size, rng)
    references, probes, again = np.split(rng.permutation(rest), [size, 2 * size])[:3]
    again = again[: len(model)]
    radius = KDTree(references).query(probes, k=min(NEIGHBOUR, size))[0][:, -1]
    pooled = np.concatenate([model, again])
    near = KDTree(pooled).query_ball_point(probes, radius)
    around = KDTree(probes).query(probes, k=min(AROUND + 1, len(probes)))[1]
    rows = np.repeat(np.arange(len(probes)), [len(hits) for hits in near])
    inside = csr_array((np.ones(len(rows)), (rows, np.concatenate([np.asarray(h, int) for h in near]))), (len(probes), len(pooled)))
    total = inside.sum(1)

    def bare(owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ours = inside @ owner
        return ours <= FEW, total[:, None] - ours <= FEW

    def beyond(owner: np.ndarray) -> np.ndarray:
        model, third = bare(owner)
        return np.mean(model, 0) - np.mean(third, 0)

    def in_region(one: np.ndarray) -> float:
        return float(np.mean(one & (one[around].mean(1) >= WHOLE)))

    first = (np.arange(len(pooled)) < len(model)).astype(float)
    arranged = np.stack([rng.permutation(first) for _ in range(num_permutations)], 1)
    p = permutation_p(float(beyond(first[:, None])[0]), beyond(arranged))
    by_model, by_third = (one[:, 0] for one in bare(first[:, None]))
    share = in_region(by_model) - in_region(by_third)
    return Finding(
        "lost coverage", p <= LEVEL and share >= LOST, p, share, f"{share:.1%} of real events lie in regions without samples (p = {p:.3f})"
    )


def lost_modes(labels: ArrayLike, weights: ArrayLike) -> Finding:
    """Look for labelled modes that hold far fewer samples than they should, by exact binomial tests with Bonferroni's correction.

    Args:
        labels: Mode `(n,)` of each sample, -1 for none.
        weights: True probability `(k,)` of each mode.

    Returns:
        The finding; its effect is the number of modes with less than a quarter of their probability. A mode that was left out but that bridges
        of other modes cover is not lost.

    >>> lost_modes([0] * 90 + [1] * 10, [0.5, 0.5]).text
    'modes 1 have less than a quarter of their probability (least p = 0.000)'
    """
    weights = checks.numbers("lost_modes: weights", weights, "positive numbers (k,)")
    if weights.ndim != 1 or weights.size == 0 or not np.all(weights > 0):
        raise ValueError(f"lost_modes: weights={checks.short(weights)}; accepted: positive numbers (k,).")
    shares, num = mode_shares(labels, len(weights)), len(np.asarray(labels))
    tails = np.minimum(binom.cdf(np.rint(shares * num), num, weights) * len(weights), 1.0)
    lost = np.flatnonzero((tails <= LEVEL) & (shares < HOLLOW * weights))
    p = float(tails.min())
    what = f"modes {', '.join(map(str, lost))} have" if len(lost) else "no mode has"
    return Finding("lost modes", len(lost) > 0, p, float(len(lost)), f"{what} less than a quarter of their probability (least p = {p:.3f})")
