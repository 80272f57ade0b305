"""What a bridge costs in total variation and in nats (proofs in docs/explanation/bridge.md)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from jaxgen import checks


def total_variation_bound(width: float, lipschitz: float) -> float:
    """Return the least total variation distance to two equal modes with an empty gap, `Phi(w / L) - 1/2`.

    Args:
        width: Width w of the gap.
        lipschitz: Lipschitz constant L of the map from Gaussian noise.

    >>> round(total_variation_bound(1.0, 1.0), 4)
    0.3413
    """
    checks.number("total_variation_bound: width", width, least=0)
    checks.number("total_variation_bound: lipschitz", lipschitz, above=0)
    return float(norm.cdf(width / lipschitz) - 0.5)


def nll_gap_bound(width: float, lipschitz: float) -> float:
    """Return the least gap of the negative log-likelihood to two equal modes with an empty gap, `-log 2 Phi(-w / (2 L))` nats.

    Args:
        width: Width w of the gap.
        lipschitz: Lipschitz constant L of the map from Gaussian noise.

    >>> round(nll_gap_bound(1.0, 1.0), 4)
    0.4828
    """
    checks.number("nll_gap_bound: width", width, least=0)
    checks.number("nll_gap_bound: lipschitz", lipschitz, above=0)
    return float(-np.log(2) - norm.logcdf(-width / (2 * lipschitz)))


class KLPart(NamedTuple):
    """Hold the part of the gap of the negative log-likelihood that the probabilities of some sets explain.

    Attributes:
        value: The part in nats.
        stderr: Its standard error.
    """

    value: float
    stderr: float


def kl_part(real: ArrayLike, model: ArrayLike) -> KLPart:
    """Return the part of the NLL gap that the probabilities of cells explain: `sum_i p*_i log(p*_i / p_i)` nats.

    Merging events into cells cannot increase a Kullback-Leibler divergence, so `KL(truth || model)`, the gap of the negative
    log-likelihood, is at least this sum over the sets and their outside.

    Args:
        real: Counts `(K + 1,)` of real events in the cells.
        model: Counts `(K + 1,)` of the model's samples in the same cells.

    Returns:
        The sum, with every count of the model half a sample higher, so that an empty cell costs a finite number. Its bias in the first
        order is taken off, but it is not below 0. The standard error is that of the delta method.

    Raises:
        ValueError: The counts differ in number, or a sample is empty.

    >>> round(kl_part([500, 500, 0], [400, 400, 200]).value, 2)
    0.22
    """
    real, model = np.asarray(real, np.float64), np.asarray(model, np.float64)
    if real.shape != model.shape or real.ndim != 1 or real.sum() <= 0 or model.sum() <= 0:
        raise ValueError(f"kl_part: real={real.tolist()}, model={model.tolist()}; accepted: counts of the same cells, not all zero.")
    num_real, num = real.sum(), model.sum()
    truth, given = real / num_real, (model + 0.5) / (num + 0.5 * len(model))
    logs, ratio = np.log(np.where(truth > 0, truth, 1.0) / given), truth / given
    value = float(truth @ logs)
    # The half sample of each cell takes off all but a constant of the bias of the model's logarithms, whatever the cells' probabilities.
    bias = (np.count_nonzero(truth) - 1) / (2 * num_real) + (len(model) - 1) / (2 * num)
    variance = (truth @ logs**2 - value**2) / num_real + (given @ ratio**2 - (given @ ratio) ** 2) / num
    return KLPart(max(float(value - bias), 0.0), float(np.sqrt(max(variance, 0.0))))
