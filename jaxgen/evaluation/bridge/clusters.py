"""Clusters of data that are told apart by empty space, and by nothing else."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from jaxgen.evaluation.distances import subsample

MOST = 1_500
NEIGHBOUR = 10
LEAST_SHARE = 0.04
"""A cluster holds at least this share of the points; smaller pieces are outliers."""
SEPARATION = 2.5
"""A gap separates two clusters if it is this many times as long as the typical step within them."""


def clusters(x: ArrayLike, *, seed: int = 0) -> np.ndarray:
    """Label points by the clusters that empty space separates.

    Two points are one step apart by their mutual reachability, the largest of their distance and of their distances to their tenth
    neighbours. The points' minimum spanning tree is cut at every step that leaves at least 4 % of the points on both sides and is two and a half
    times as long as the 90 % quantile of the tree's steps. One connected cloud, whatever its shape, has no such step.

    Args:
        x: Points `(n, d)`; at most 1,500 of them make the tree, and the others follow their nearest neighbour in it.
        seed: Seed of the choice of these points.

    Returns:
        Labels `(n,)` from 0 on, all 0 for a single cluster.

    Source: the reachability and the tree are those of Campello et al. 2013, Density-based clustering based on hierarchical density estimates.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(size=(300, 2))
    >>> np.bincount(clusters(np.concatenate([x, x + 3.0]))).tolist(), int(clusters(x).max())
    ([300, 300], 0)
    """
    x = np.asarray(x, np.float64)
    points = subsample(x, MOST, np.random.default_rng(seed))
    n = len(points)
    if n <= 2 * NEIGHBOUR:
        return np.zeros(len(x), int)
    square = cdist(points, points)
    core = np.partition(square, NEIGHBOUR, axis=1)[:, NEIGHBOUR]
    reach = np.maximum(square, np.maximum(core[:, None], core))
    # A zero is no edge to a sparse matrix.
    tree = minimum_spanning_tree(np.maximum(reach, 1e-12 * (1 + reach.max()))).tocoo()
    long = SEPARATION * np.quantile(tree.data, 0.9)
    kept = np.ones(n - 1, bool)
    for edge in np.argsort(-tree.data):
        if tree.data[edge] < long:
            break
        kept[edge] = not _cuts(tree, kept, edge, LEAST_SHARE * n)
    labels = _components(tree, kept, n)
    large = np.flatnonzero(np.bincount(labels) >= LEAST_SHARE * n)
    relabelled = np.full(labels.max() + 1, -1)
    relabelled[large] = np.arange(len(large))
    members = relabelled[labels] >= 0
    _, nearest = KDTree(points[members]).query(x)
    return relabelled[labels][members][nearest]


def _cuts(tree: coo_array, kept: np.ndarray, edge: int, least: float) -> bool:
    """Whether both sides of an edge hold enough points once it is gone."""
    without = kept.copy()
    without[edge] = False
    labels = _components(tree, without, len(kept) + 1)
    sizes = np.bincount(labels)
    return bool(min(sizes[labels[tree.row[edge]]], sizes[labels[tree.col[edge]]]) >= least)


def _components(tree: coo_array, kept: np.ndarray, n: int) -> np.ndarray:
    edges = coo_array((np.ones(int(kept.sum())), (tree.row[kept], tree.col[kept])), shape=(n, n))
    return connected_components(edges, directed=False)[1]
