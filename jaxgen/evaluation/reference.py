"""Real data to compare a model with, and the floors: the same distances between two samples of real data."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.data import Dataset
from jaxgen.evaluation.distances import mmd, sliced_w2, w2

ModeOf = Callable[[np.ndarray], np.ndarray]
"""The mode `(n,)` int of each of n samples; -1 for a sample that belongs to none."""


class Reference(NamedTuple):
    """Fresh real data, what is known of their distribution, and the floors of the distances.

    Attributes:
        x: Test events `(n, *event)`.
        cond: Their conditions `(n, c)`, or None.
        entropy: Entropy of the true distribution in nats, or None where it is not known.
        true_log_prob: True log density `(n,)` of the events in nats, or None where it is not known.
        mode: Function that returns the mode of each sample, or None.
        mode_weights: True probability `(k,)` of each mode, or None.
        floors: Distances between two samples of real data, by name.
        max_points: Largest number of points of each side that enter W2 and MMD.
        gaps: For rows of a table, whether each column `(d,)` may be missing; None goes by the gaps of `x`.
    """

    x: np.ndarray
    cond: np.ndarray | None = None
    entropy: float | None = None
    true_log_prob: np.ndarray | None = None
    mode: ModeOf | None = None
    mode_weights: np.ndarray | None = None
    floors: Mapping[str, float] = MappingProxyType({})
    max_points: int = 2_000
    gaps: np.ndarray | None = None


def reference(
    x: np.ndarray,
    again: np.ndarray,
    *,
    cond: np.ndarray | None = None,
    log_prob: Callable[[jax.Array], jax.Array] | None = None,
    entropy: float | None = None,
    mode: ModeOf | None = None,
    mode_weights: np.ndarray | None = None,
    seed: int = 0,
    max_points: int = 2_000,
    gaps: np.ndarray | None = None,
) -> Reference:
    """Build a `Reference`: measure the floors between two independent samples of real data.

    Args:
        x: Test events `(n, *event)`.
        again: Other real events `(m, *event)`, independent of `x`.
        cond: Conditions `(n, c)` of `x`, or None.
        log_prob: True log density of one event in nats, or None.
        entropy: True entropy in nats, or None.
        mode: Function that returns the mode of each sample, or None.
        mode_weights: True probability `(k,)` of each mode, or None.
        seed: Seed of the directions and of the subsamples.
        max_points: Largest number of points of each side that enter W2 and MMD, whose costs grow faster than linearly.
        gaps: For rows of a table, whether each column `(d,)` may be missing; None goes by the gaps of `x`.

    Returns:
        The reference, with the floors `sliced_w2_floor`, `w2_floor` and `mmd_floor`.

    >>> import numpy as np
    >>> real = reference(np.zeros((4, 2)), np.zeros((4, 2)) + 3.0)
    >>> round(real.floors["w2_floor"], 3)
    4.243
    """
    flat, flat_again = flattened(filled(x, x, gaps)), flattened(filled(again, x, gaps))
    truth = None if log_prob is None else np.asarray(jax.jit(jax.vmap(log_prob))(jnp.asarray(x)))
    floors = {
        "sliced_w2_floor": sliced_w2(flat_again, flat, seed),
        "w2_floor": w2(flat_again, flat, max_points, seed),
        "mmd_floor": mmd(flat_again, flat, max_points=max_points, seed=seed),
    }
    return Reference(x, cond, entropy, truth, mode, mode_weights, floors, max_points, gaps)


def reference_of(dataset: Dataset, most: int, seed: int = 0) -> Reference:
    """Build a `Reference` from random test events of a data set; random training events are the second real sample.

    The events are drawn at random, because some sets are sorted by class.

    Args:
        dataset: The data set; events and conditions are given back in its own units.
        most: Largest number of test events.
        seed: Seed of the choice of events and of the distances.

    Returns:
        The reference, in the units of the data.

    >>> import jaxgen
    >>> real = reference_of(jaxgen.data.load("two_moons", num_train=50, num_valid=2, num_test=50), most=20)
    >>> real.x.shape, sorted(real.floors)
    ((20, 2), ['mmd_floor', 'sliced_w2_floor', 'w2_floor'])
    """
    units, cond = dataset.units, dataset.test_cond
    if cond is not None and units is not None and units.cond_loc is not None and units.cond_scale is not None:
        cond = (units.cond_loc + units.cond_scale * np.asarray(cond, np.float64)).astype(np.float32)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(dataset.test))[:most]
    again = rng.permutation(len(dataset.train))[: len(rows)]
    test, train = ((x if units is None else units.restore(x).astype(np.float32)) for x in (dataset.test[rows], dataset.train[again]))
    return reference(
        test,
        train,
        cond=None if cond is None else cond[rows],
        log_prob=dataset.log_prob,
        entropy=dataset.entropy,
        mode=dataset.mode,
        mode_weights=dataset.mode_weights,
        seed=seed,
        gaps=gaps_of(dataset),
    )


def gaps_of(dataset: Dataset) -> np.ndarray | None:
    """Return whether each number of a table `(d,)` may be missing; None for other data.

    >>> import numpy as np, pandas, jaxgen
    >>> gaps_of(jaxgen.data.load(pandas.DataFrame({"a": np.arange(40) / 7, "b": [0.5, None, 1.5, 2.0] * 10}))).tolist()
    [False, True]
    """
    if dataset.schema is None or not dataset.schema.event:
        return None
    return np.array([column.missing and column.kind != "category" for column in dataset.schema.event])


def flattened(x: np.ndarray) -> np.ndarray:
    """Return events `(n, *event)` of any shape as vectors `(n, d)`, for distances of vectors.

    >>> import numpy as np
    >>> flattened(np.zeros((5, 4, 4, 1))).shape
    (5, 16)
    """
    return np.reshape(x, (len(x), -1))


def filled(x: np.ndarray, real: np.ndarray, gaps: np.ndarray | None = None) -> np.ndarray:
    """Return rows of a table with the mean of a column in its gaps; only columns that may be missing may have any.

    Args:
        x: Rows `(n, d)` with NaN for what is missing; anything else than rows is returned as it is.
        real: Real rows `(m, d)`, which say what the columns' means are.
        gaps: Whether each column `(d,)` may be missing, beside those with gaps in the real rows.

    >>> import numpy as np
    >>> filled(np.array([[np.nan], [2.0]]), np.array([[np.nan], [4.0]])).tolist()
    [[4.0], [2.0]]
    """
    if x.ndim != 2:
        return x
    may_miss = np.isnan(real).any(0) | (np.zeros(real.shape[1], bool) if gaps is None else gaps)
    if not may_miss.any():
        return x
    means = np.where(may_miss, np.nanmean(np.where(np.isnan(real).all(0), 0, real), axis=0), np.nan)
    return np.where(np.isnan(x), means.astype(x.dtype), x)
