"""Separated sets: each is a union of closed balls of one radius around points of data, so that distances to it are exact."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from jaxgen import checks
from jaxgen.evaluation.bridge.clusters import clusters

MOST_ANCHORS = 2_000
LEAST_GAP = 2.0
"""Sets count as separated if every gap is at least this many radii wide."""
COVERED = 0.99
"""The radius is the distance within which this share of further points of a set finds an anchor."""
DEPTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""The shares of each mode that may be given up at its border, smallest first, until the sets are separated."""


class Sets(NamedTuple):
    """Hold K sets in the space of events, each a union of closed balls around its anchors.

    Attributes:
        anchors: The centres `(m, d)` float64.
        labels: The set `(m,)` of each anchor, an integer from 0 to K - 1.
        radius: The radius of every ball, in the units of the events.
    """

    anchors: np.ndarray
    labels: np.ndarray
    radius: float

    @property
    def num(self) -> int:
        """Return the number K of sets."""
        return int(self.labels.max()) + 1

    def distances(self, x: ArrayLike) -> np.ndarray:
        """Return the distance of each of n events `(n, d)` to each set, `(n, K)`; it is 0 inside a set."""
        return np.stack([self.distance(x, (k,))[0] for k in range(self.num)], axis=1)

    def distance(self, x: ArrayLike, members: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return the distance to a union of sets and its gradient.

        Args:
            x: Events `(n, d)`.
            members: The sets whose union is meant.

        Returns:
            Distances `(n,)`, which are 0 inside, and unit vectors `(n, d)` that point from the nearest anchor to the event.
        """
        points, centres = np.asarray(x, np.float64), self.anchors[np.isin(self.labels, members)]
        away, nearest = KDTree(centres).query(points)
        offset = points - centres[nearest]
        return np.maximum(away - self.radius, 0.0), offset / np.maximum(away, np.finfo(np.float64).tiny)[:, None]

    def gap(self, members: tuple[int, ...]) -> float:
        """Return the distance between a union of sets and the union of all other sets."""
        inside = np.isin(self.labels, members)
        away, _ = KDTree(self.anchors[inside]).query(self.anchors[~inside])
        return max(float(away.min()) - 2 * self.radius, 0.0)

    def gaps(self) -> np.ndarray:
        """Return the distance of each set to all others, `(K,)`."""
        return np.array([self.gap((k,)) for k in range(self.num)])

    def shares(self, x: ArrayLike) -> np.ndarray:
        """Return the shares of the events `(n, d)` in each set and, last, outside all sets, `(K + 1,)`."""
        return self.counts(x) / len(np.asarray(x))

    def counts(self, x: ArrayLike) -> np.ndarray:
        """Return the numbers of the events `(n, d)` in each set and, last, outside all sets, `(K + 1,)`."""
        inside = self.distances(x) <= 0
        return np.append(inside.sum(0), (~inside.any(1)).sum())


def balls(centres: ArrayLike, radius: float) -> Sets:
    """Make one ball around each centre a set.

    Args:
        centres: The centres `(K, d)`.
        radius: The radius of every ball.

    Returns:
        The K sets.

    >>> balls([[-4.0], [4.0]], 1.0).gaps().tolist()
    [6.0, 6.0]
    """
    checks.number("balls: radius", radius, least=0)
    centres = np.asarray(centres, np.float64)
    return Sets(centres, np.arange(len(centres)), float(radius))


def separated_sets(x: ArrayLike, labels: ArrayLike | None = None, *, seed: int = 0) -> Sets | None:
    """Build separated sets from data: from the labels of modes, or from clusters that pass a test of separation.

    Half of the points of a mode are its anchors, at most 2,000 in all. The radius is the distance within which 99 % of the other half
    find an anchor. The sets are separated if each gap is at least two radii wide. If they are not, points near other modes are given up,
    up to half of each mode: two touching squares become two separated cores.

    Args:
        x: Events `(n, d)`.
        labels: The mode `(n,)` of each event; -1 marks an event of none. None looks for clusters (see `clusters`).
        seed: Seed of the choice of anchors.

    Returns:
        The sets, or None if there are no two separated ones.

    Raises:
        ValueError: The shapes disagree.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(2_000, 2))
    >>> sets = separated_sets(x + 8 * np.sign(x[:, :1]))
    >>> sets.num, separated_sets(x) is None
    (2, True)
    """
    x = np.asarray(x, np.float64)
    labels = clusters(x, seed=seed) if labels is None else np.asarray(labels)
    if x.ndim != 2 or labels.shape != (len(x),):
        raise ValueError(f"separated_sets: x of shape {x.shape}, labels of shape {labels.shape}; accepted: (n, d) and (n,).")
    order = np.random.default_rng(seed).permutation(len(x))
    order = order[labels[order] >= 0]
    x, (names, labels) = x[order], np.unique(labels[order], return_inverse=True)
    if len(names) < 2 or np.bincount(labels).min() < 20:
        return None
    depth = _depths(x, labels)
    for share in DEPTHS:
        deep = np.concatenate(
            [np.flatnonzero((labels == k) & (depth >= np.quantile(depth[labels == k], share))) for k in range(len(names))]
        )
        sets = _union_of_balls(x[deep], labels[deep])
        if sets.gaps().min() >= LEAST_GAP * sets.radius:
            return sets
    return None


def _depths(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The distance of each point to the nearest point of another mode."""
    depth = np.empty(len(x))
    for k in range(labels.max() + 1):
        depth[labels == k] = KDTree(x[labels != k]).query(x[labels == k])[0]
    return depth


def _union_of_balls(x: np.ndarray, labels: np.ndarray) -> Sets:
    first = np.zeros(len(x), bool)
    for k in range(labels.max() + 1):
        members = np.flatnonzero(labels == k)
        first[members[: min(len(members) // 2, MOST_ANCHORS // (labels.max() + 1))]] = True
    centres = Sets(x[first], labels[first], 0.0)
    rest, rest_labels = x[~first], labels[~first]
    away = np.concatenate([centres.distance(rest[rest_labels == k], (k,))[0] for k in range(labels.max() + 1)])
    return centres._replace(radius=float(np.quantile(away, COVERED)))
