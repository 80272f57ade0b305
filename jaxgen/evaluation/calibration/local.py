"""A classifier that looks for a difference between posterior and truth, everywhere or at one observation."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxgen.evaluation.calibration.ranks import check_draws

NUM_PERMUTATIONS = 999
RIDGE = 1e-3
Features = Callable[[np.ndarray], np.ndarray]
"""A function of rows `(n, d + c)` of parameters beside data that returns features `(n, p)`."""


class Local(NamedTuple):
    """Hold a local classifier two-sample test.

    Attributes:
        p_value: The probability of so large a statistic, if the posterior is right.
        statistic: The mean square by which the classifier's probability differs from one half.
    """

    p_value: float
    statistic: float


def local_c2st(
    draws: np.ndarray,
    theta: np.ndarray,
    x: np.ndarray,
    *,
    at: tuple[np.ndarray, np.ndarray] | None = None,
    features: Features | None = None,
    seed: int = 0,
) -> Local:
    """Train a classifier to tell `(theta, x)` of simulations from `(draw, x)`, and test whether it succeeds.

    Its null distribution comes from exchanging parameter and draw within pairs at random, which changes nothing if the posterior is right, so
    that the level is exact. The classifier is the regression of the label on features, whose permutations cost one matrix product.

    Args:
        draws: Draws `(n, L, d)` of the posterior of each simulation; the first of each is used.
        theta: The parameters `(n, d)` of the simulations.
        x: The data `(n, c)` of the simulations.
        at: Draws `(m, d)` of the posterior at one observation, and that observation `(c,)`, where the classifier is judged. None judges it
            over all simulations.
        features: What the classifier reads; None takes all products of two of the parameters and data.
        seed: The seed of the exchanges.

    Returns:
        The test.

    Raises:
        ValueError: The shapes disagree.

    Source: arXiv 2306.03580, section 3, with a least-squares classifier.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> theta = rng.standard_normal((400, 1))
    >>> x = theta + 0.5 * rng.standard_normal((400, 1))
    >>> local_c2st(rng.standard_normal((400, 1, 1)), theta, x).p_value
    0.001
    """
    draws, theta = check_draws("local_c2st", draws, theta)
    x = np.reshape(x, (len(x), -1))
    if len(x) != len(theta):
        raise ValueError(f"local_c2st: x of {len(x)} rows; accepted: {len(theta)}, one for each of theta.")
    pair = np.concatenate([np.concatenate([theta, x], 1), np.concatenate([draws[:, 0], x], 1)])
    loc, scale = pair.mean(0), np.maximum(pair.std(0), 1e-12)
    of = features or products
    design = of((pair - loc) / scale)
    judged = design if at is None else of((np.concatenate([at[0], np.broadcast_to(at[1], (len(at[0]), x.shape[1]))], 1) - loc) / scale)
    signs = np.random.default_rng([11, seed]).choice([-0.5, 0.5], (len(theta), NUM_PERMUTATIONS))
    labels = np.concatenate([np.full((len(theta), 1), 0.5), signs], 1)
    # Within a pair the labels are opposite: the permuted ones as the true ones.
    weights = np.linalg.solve(
        design.T @ design + RIDGE * len(design) * np.eye(design.shape[1]), design.T @ np.concatenate([labels, -labels])
    )
    statistics = np.mean((judged @ weights) ** 2, 0)
    p_value = (1 + int((statistics[1:] >= statistics[0]).sum())) / (NUM_PERMUTATIONS + 1)
    return Local(p_value, float(statistics[0]))


def products(rows: np.ndarray) -> np.ndarray:
    """Return a one, all columns and all products of two columns, `(n, 1 + p + p (p + 1) / 2)`.

    >>> import numpy as np
    >>> products(np.asarray([[2.0, 3.0]])).tolist()
    [[1.0, 2.0, 3.0, 4.0, 6.0, 9.0]]
    """
    i, j = np.triu_indices(rows.shape[1])
    return np.concatenate([np.ones((len(rows), 1)), rows, rows[:, i] * rows[:, j]], 1)
