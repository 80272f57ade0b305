"""Random halves of a sample: two sets of real data, whose distance is the floor that a model's samples are read beside."""

import numpy as np
from numpy.typing import ArrayLike

from jaxgen import checks


def random_halves(rows: ArrayLike, seed: int | np.random.Generator = 0, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Split `rows` at random into two disjoint sets of equal size.

    The split is random because a published test set may be sorted, by class or by writer, so that its first and its second half differ.

    Args:
        rows: Array `(n, ...)` with n >= 2, such as events or their features.
        seed: An integer, or a generator, which then moves on.
        most: The largest number of rows of each half. None stands for `n // 2`.

    Returns:
        Two arrays `(k, ...)` with `k = min(n // 2, most)`. Of an odd number of rows one is left out.

    Raises:
        ValueError: `rows` has fewer than two rows, or `most` is below 1.

    >>> import numpy as np
    >>> one, other = random_halves(np.arange(10), seed=3)
    >>> len(one), len(other), sorted(np.concatenate([one, other]).tolist()) == list(range(10))
    (5, 5, True)
    """
    rows = np.asarray(rows)
    if rows.ndim == 0 or len(rows) < 2:
        raise ValueError(f"random_halves: rows={rows.shape!r}; accepted: an array of at least two rows.")
    if most is not None:
        checks.count("random_halves: most", most)
    size = min(len(rows) // 2, most or len(rows))
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows[order[:size]], rows[order[size : 2 * size]]
