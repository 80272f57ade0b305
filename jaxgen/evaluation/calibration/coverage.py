"""Expected coverage of regions: of highest density, and of balls around reference points (TARP)."""

import numpy as np

from jaxgen.evaluation.calibration.ranks import check_draws, randomised
from jaxgen.evaluation.calibration.uniformity import Uniformity, uniformity

FOLDS = 2
RIDGE = 1e-3


def expected_coverage(log_q_draws: np.ndarray, log_q_theta: np.ndarray, *, seed: int = 0) -> Uniformity:
    """Test whether the regions of highest density that hold a share c of the posterior hold the truth in a share c of the simulations.

    Args:
        log_q_draws: The posterior's log density `(n, L)` at its own draws.
        log_q_theta: The posterior's log density `(n,)` at the parameters of the simulations.
        seed: The seed that breaks ties.

    Returns:
        The test. Its `grid` are the credible levels c and its `ecdf` the coverage; below the diagonal the posterior is too sure.

    Raises:
        ValueError: The shapes disagree.

    Source: arXiv 2110.06581, equation 3.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> log_q = lambda z: -0.5 * z**2
    >>> expected_coverage(log_q(0.6 * rng.standard_normal((400, 99))) / 0.36, log_q(rng.standard_normal(400)) / 0.36).p_value < 0.01
    True
    """
    draws, theta = np.asarray(log_q_draws), np.asarray(log_q_theta)
    if draws.ndim != 2 or theta.shape != draws.shape[:1]:
        raise ValueError(
            f"expected_coverage: log_q_draws of shape {draws.shape} with log_q_theta of shape {theta.shape}; accepted: (n, L) with (n,)."
        )
    above, equal = np.sum(draws > theta[:, None], 1), np.sum(draws == theta[:, None], 1)
    return uniformity(randomised(above, equal, draws.shape[1], seed), seed=seed)


def tarp(
    draws: np.ndarray, theta: np.ndarray, x: np.ndarray | None = None, *, references: np.ndarray | None = None, seed: int = 0
) -> Uniformity:
    """Test the coverage of balls around reference points, which no density is needed for.

    The ball around a reference whose surface goes through the truth holds a uniform share of the posterior, for any reference that is
    chosen by the data alone. Only references that depend on the data see the prior in place of the posterior: with `x` they are a linear
    prediction of the parameters, made by the other half of the simulations, with as much noise as it leaves.

    Args:
        draws: Draws `(n, L, d)` of the posterior of each simulation.
        theta: The parameters `(n, d)` of the simulations.
        x: The data `(n, c)` of the simulations, or None for references that are uniform on the box of the parameters.
        references: References `(n, d)` to take instead.
        seed: The seed of the references, and of ties.

    Returns:
        The test. Its `grid` are the credible levels and its `ecdf` the coverage. With `x` a posterior that is too sure
        is below the diagonal at all but small levels.

    Raises:
        ValueError: The shapes disagree.

    Source: arXiv 2302.03026, algorithm 2.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> theta = rng.standard_normal((400, 1))
    >>> x = theta + 0.5 * rng.standard_normal((400, 1))
    >>> prior, posterior = rng.standard_normal((400, 99, 1)), 0.8 * x[:, None] + 0.2**0.5 * rng.standard_normal((400, 99, 1))
    >>> tarp(prior, theta, x).p_value < 0.01, tarp(posterior, theta, x).p_value > 0.05
    (True, True)
    """
    draws, theta = check_draws("tarp", draws, theta)
    if references is None:
        references = _references(theta, x, np.random.default_rng([10, seed]))
    if references.shape != theta.shape:
        raise ValueError(f"tarp: references of shape {references.shape}; accepted: {theta.shape}, as theta.")
    scale = np.maximum(theta.std(0), np.finfo(np.float64).tiny)
    truth = np.sum(((theta - references) / scale) ** 2, -1)[:, None]
    drawn = np.sum(((draws - references[:, None]) / scale) ** 2, -1)
    return uniformity(randomised(np.sum(drawn < truth, 1), np.sum(drawn == truth, 1), draws.shape[1], seed), seed=seed)


def _references(theta: np.ndarray, x: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    if x is None:
        return rng.uniform(theta.min(0), theta.max(0), theta.shape)
    columns = np.reshape(x, (len(theta), -1))
    columns = np.concatenate([np.ones((len(theta), 1)), (columns - columns.mean(0)) / np.maximum(columns.std(0), 1e-12)], 1)
    fold, references = rng.permutation(len(theta)) % FOLDS, np.empty_like(theta, np.float64)
    for i in range(FOLDS):
        a, b, there = columns[fold != i], theta[fold != i], fold == i
        weights = np.linalg.solve(a.T @ a + RIDGE * len(a) * np.eye(a.shape[1]), a.T @ b)
        spread = (b - a @ weights).std(0)
        references[there] = columns[there] @ weights + spread * rng.standard_normal((there.sum(), theta.shape[1]))
    return references
