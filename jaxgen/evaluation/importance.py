"""Importance sampling of an unnormalised density with a model as the proposal: weights, effective sample size, log Z, and diagnostics."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike

from jaxgen.model import Model, sample_and_log_prob
from jaxgen.transform import Density
from jaxgen.types import Cond, Event, Key, Params

LogDensity = Callable[[Event], jax.Array]
"""Log of an unnormalised density of one event: `(x) -> scalar`."""


class Importance(NamedTuple):
    """Draws of a model q and what they say about a target `p(x) = exp(log_density(x)) / Z`; all numbers are float64.

    Attributes:
        x: The draws `(n, *event)`.
        log_weight: `log_density(x) - log q(x)` in nats, `(n,)`; -inf outside the target's support.
        weight: The normalised weights `(n,)`: they sum to 1, and `sum(weight * f(x))` estimates the target's mean of f.
        ess: Effective sample size `1 / sum(weight^2)`, from 1 to n. It cannot see a mode that no draw has reached.
        log_z: Log of the mean weight, an estimate of log Z.
        log_z_stderr: Its standard error, by the delta method.
        elbo: Mean log weight, a lower bound of log Z: `log Z - elbo` is KL(q || p).
        elbo_stderr: Its standard error.
        pareto_k: Shape of the generalised Pareto tail of the weights (see `pareto_k`). Below 0.5 the variance of the weights is finite;
            above 0.7 neither `log_z` nor its error can be trusted. NaN for fewer than 25 weights that are not zero.
    """

    x: Event
    log_weight: np.ndarray
    weight: np.ndarray
    ess: float
    log_z: float
    log_z_stderr: float
    elbo: float
    elbo_stderr: float
    pareto_k: float

    def kl(self, log_z: float) -> tuple[float, float]:
        """Return KL(q || p) in nats and its standard error, given the true `log_z`, which is 0 if `log_density` is normalised."""
        return log_z - self.elbo, self.elbo_stderr


def importance(
    key: Key,
    model: Model,
    params: Params,
    log_density: LogDensity,
    num_samples: int = 10_000,
    cond: Cond = None,
    *,
    batch_size: int = 10_000,
) -> Importance:
    """Weigh draws of a model by an unnormalised target density.

    The compiled functions are cached by the identity of `model` and `log_density`, so define the latter once.

    Args:
        key: Random key of the draws.
        model: The proposal, a model with an EXACT density. The exponential of an estimated log density would be biased.
        params: Its parameters.
        log_density: Log of the unnormalised target of one event, `(x) -> scalar`. It closes over its own condition.
        num_samples: Number of draws.
        cond: One condition `(*cond,)` of the model for all draws, or None.
        batch_size: Number of draws at once on the device.

    Returns:
        The draws, their weights and what follows from them.

    Raises:
        ValueError: The model's density is not EXACT, or `log_density` returns no scalar.
        FloatingPointError: The target is NaN or +inf at a draw.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 1.5))
    >>> target = jaxgen.bases.normal((2,)).log_prob
    >>> result = jaxgen.evaluation.importance(jax.random.key(0), model, (), target, 4_000)
    >>> abs(result.log_z) < 3 * result.log_z_stderr, result.pareto_k < 0.5
    (True, True)
    """
    if model.transform.kind is not Density.EXACT:
        raise ValueError(f"importance: density={model.transform.kind}; accepted: an exact one, such as a flow's.")
    conds = None if cond is None else np.broadcast_to(np.asarray(cond), (num_samples, *np.shape(cond)))
    x, lp = sample_and_log_prob(key, model, params, num_samples, conds, batch_size=batch_size)
    log_p = np.asarray(_in_batches(log_density, batch_size, x), np.float64)
    if log_p.shape != (num_samples,):
        raise ValueError(f"importance: log_density=one that returns shape {log_p.shape[1:]}; accepted: a scalar for one event.")
    return weigh(np.asarray(x), log_p - np.asarray(lp.value, np.float64))


def weigh(x: Event, log_weight: ArrayLike) -> Importance:
    """Compute `Importance` from log weights, whatever proposal drew the events.

    Args:
        x: Draws `(n, *event)`; they are passed on as they are.
        log_weight: Log weights `(n,)`, n >= 2; -inf outside the support of the target.

    Returns:
        The weights and what follows from them.

    Raises:
        ValueError: `log_weight` has another shape.
        FloatingPointError: A log weight is NaN or +inf.

    >>> import numpy as np
    >>> result = weigh(np.zeros((4, 1)), np.log([1.0, 1.0, 2.0, 0.0 + 1e-300]))
    >>> round(result.ess, 6), round(float(np.exp(result.log_z)), 6)
    (2.666667, 1.0)
    """
    log_weight = np.asarray(log_weight, np.float64)
    if log_weight.ndim != 1 or len(log_weight) < 2:
        raise ValueError(f"weigh: log_weight=array of shape {log_weight.shape}; accepted: (n,) with n >= 2.")
    bad = np.isnan(log_weight) | (log_weight == np.inf)
    if bad.any():
        share = f"{int(bad.sum())} of {len(log_weight)} draws are NaN or +inf"
        raise FloatingPointError(f"weigh: log_weight: {share}; accepted: finite numbers, and -inf outside the target's support.")
    n, top = len(log_weight), log_weight.max()
    if top == -np.inf:
        return Importance(x, log_weight, np.zeros(n), 0.0, -np.inf, np.nan, -np.inf, np.nan, np.nan)
    scaled = np.exp(log_weight - top)
    weight = scaled / scaled.sum()
    stderr = scaled.std(ddof=1) / scaled.mean() / np.sqrt(n)
    bound = log_weight.mean()
    bound_stderr = log_weight.std(ddof=1) / np.sqrt(n) if np.isfinite(bound) else np.nan
    log_z = top + np.log(scaled.mean())
    numbers = (1 / np.sum(weight**2), log_z, stderr, bound, bound_stderr, pareto_k(log_weight))
    return Importance(x, log_weight, weight, *map(float, numbers))


def pareto_k(log_weight: ArrayLike) -> float:
    """Fit a generalised Pareto distribution to the largest weights and return its shape k.

    The tail is the largest `min(n / 5, 3 sqrt(n))` weights that are not zero. The estimate is the empirical Bayes one of Zhang and
    Stephens, drawn towards 1/2 with the weight of ten observations.

    Args:
        log_weight: Log weights `(n,)`.

    Returns:
        The shape k. NaN if the tail has fewer than five weights; -inf if they are all equal; inf if so few draws hold all the weight that
        the others underflow beside them.

    Source: arXiv 1507.02646, section 3 and appendix C; Zhang and Stephens, Technometrics 2009.

    >>> import numpy as np
    >>> pareto_k(np.zeros(1_000))
    -inf
    """
    log_weight = np.sort(np.asarray(log_weight, np.float64))
    log_weight = log_weight[log_weight > -np.inf]
    num_tail = int(np.ceil(min(len(log_weight) / 5, 3 * np.sqrt(len(log_weight)))))
    if num_tail < 5:
        return float("nan")
    tail = np.exp(log_weight[-num_tail - 1 :] - log_weight[-1])
    excess, quarter = tail[1:] - tail[0], max(num_tail // 4 - 1, 0)
    if excess[-1] <= 1e-12 or excess[quarter] <= 0:
        return float("inf") if tail[1 + quarter] == 0 else float("-inf")
    return (num_tail * _pareto_shape(excess) + 10 * 0.5) / (num_tail + 10)


def _pareto_shape(y: np.ndarray) -> float:
    """Posterior mean of theta on a grid (sec. 3 there), the shape profiled out by `k(theta) = mean log(1 - theta y)`; `y` is sorted."""
    n = len(y)
    num = 30 + int(np.sqrt(n))
    quartile = y[int(n / 4 + 0.5) - 1]
    theta = 1 / y[-1] + (1 - np.sqrt(num / (np.arange(1, num + 1) - 0.5))) / (3 * quartile)
    # At theta = 0 the distribution is exponential, which the grid may only approach.
    theta = np.where(np.abs(theta) < 1e-12 / y[-1], 1e-12 / y[-1], theta)
    shape = np.mean(np.log1p(-theta[:, None] * y), 1)
    log_likelihood = n * (np.log(-theta / shape) - shape - 1)
    weight = np.exp(log_likelihood - log_likelihood.max())
    best = np.sum(theta * weight) / np.sum(weight)
    return float(np.mean(np.log1p(-best * y)))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _in_batches(log_density: LogDensity, batch_size: int, x: Event) -> jax.Array:
    return jax.lax.map(log_density, x, batch_size=batch_size)
