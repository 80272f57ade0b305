"""Memorisation: samples that lie closer to the training events than to equally many events that the model has never seen."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from jaxgen import checks
from jaxgen.evaluation.detectors.finding import LEVEL, Finding, permutation_p
from jaxgen.evaluation.distances import as_pair, subsample

CLOSER = 0.58
"""The share of samples whose nearest event is a training event above which a model counts as a memory; one half is none."""


def memorised(
    samples: ArrayLike, train: ArrayLike, held_out: ArrayLike, *, seed: int = 0, num_permutations: int = 499, most: int = 4_000
) -> Finding:
    """Look for samples that copy training events, by a permutation test on nearest neighbours.

    If the model has learned the distribution and not the events, equally many training and held-out events are exchangeable given the samples,
    so each sample's nearest event is a training event with probability one half. The test says nothing of coverage.

    Args:
        samples: The model's samples `(n, d)`.
        train: Events `(m, d)` that the model was trained on.
        held_out: Events `(k, d)` of the same source that it was not trained on.
        seed: Seed of the choice of events and of the permutations.
        num_permutations: Number of permutations.
        most: Largest number of events of each kind.

    Returns:
        The finding; its effect is the share of samples whose nearest event is a training event. A model of many training events is asked
        about `most` of them only, so a memory spread over more events shows less.

    >>> rng = np.random.default_rng(0)
    >>> train, held_out = rng.normal(size=(2, 300, 2))
    >>> memorised(train + 0.01, train, held_out).alarm, memorised(rng.normal(size=(300, 2)), train, held_out).alarm
    (True, False)
    """
    checks.counts("memorised", num_permutations=num_permutations, most=most)
    train, held_out = as_pair("memorised", train, held_out, names=("train", "held_out"))
    samples, _ = as_pair("memorised", samples, train, names=("samples", "train"))
    rng = np.random.default_rng(seed)
    size = min(len(train), len(held_out), most)
    pooled = np.concatenate([subsample(train, size, rng), subsample(held_out, size, rng)])
    _, nearest = KDTree(pooled).query(subsample(samples, most, rng))
    trained = np.arange(2 * size) < size
    share = float(trained[nearest].mean())
    permuted = np.array([rng.permutation(trained)[nearest].mean() for _ in range(num_permutations)])
    p = permutation_p(share, permuted)
    text = f"{share:.1%} of samples lie nearest to a training event, where 50% would be fair (p = {p:.3f})"
    return Finding("memorisation", p <= LEVEL and share >= CLOSER, p, share, text)
