"""The exact linear assignment on the host: scipy's solver, started from nearly optimal dual prices."""

import numpy as np

_LEVELS, _SWEEPS, _SMALL = (0.03, 0.01, 0.003, 0.001), 10, 128


def assignment(cost: np.ndarray) -> np.ndarray:
    """Return the permutation of least cost, the exact optimum of the linear assignment.

    A price for each row and column changes no permutation's rank, and scipy's shortest augmenting paths are short where reduced costs are
    nearly complementary. The prices come from a coarse entropic plan: Sinkhorn's iteration in float32, whose epsilon falls from a few per
    cent of the costs' range.

    Args:
        cost: Finite costs `(n, n)`, a numpy array.

    Returns:
        The permutation `(n,)` that minimises `sum_i cost[i, permutation[i]]`.

    Source: Crouse 2016, IEEE Transactions on Aerospace and Electronic Systems 52; arXiv 1610.06519, section 3.

    >>> import numpy as np
    >>> from jaxgen.numerics import assignment
    >>> assignment(np.array([[2.0, 0.0], [0.0, 1.0]]))
    array([1, 0])
    """
    # Importing scipy's solvers takes a fifth of a second, which everybody who only imports this library would pay.
    from scipy.optimize import linear_sum_assignment

    n = cost.shape[0]
    cost_range = float(np.ptp(cost)) if n else 0.0
    if n < _SMALL or not 0 < cost_range < np.inf:
        return linear_sum_assignment(cost)[1]
    # In float64 before anything is subtracted: that rounds far below what tells permutations apart.
    exact = cost.astype(np.float64)
    exact = (exact - exact.min()) / cost_range
    with np.errstate(all="ignore"):
        rows, columns = _prices(exact.astype(np.float32))
    # An outlier may overflow a level; without prices the answer is the same, later.
    if not (np.isfinite(rows).all() and np.isfinite(columns).all()):
        return linear_sum_assignment(exact)[1]
    return linear_sum_assignment(exact - rows[:, None] - columns[None])[1]


def _prices(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = cost.min(1), np.zeros(cost.shape[1], cost.dtype)
    for epsilon in np.asarray(_LEVELS, cost.dtype):
        # Clipped: products with denormal numbers take a hundred times as long.
        kernel = np.exp(np.clip((rows[:, None] + columns[None] - cost) / epsilon, -40, 40))
        b = np.ones_like(columns)
        for _ in range(_SWEEPS):
            a = 1 / (kernel @ b)
            b = 1 / (a @ kernel)
        rows, columns = rows + epsilon * np.log(a), columns + epsilon * np.log(b)
    return rows, columns
