"""A model as the proposal of importance sampling for an unnormalised density: weights, effective sample size, log Z, and how far to trust them."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen.model import Model, sample_and_log_prob
from jaxgen.transform import Density


class Importance(NamedTuple):
    """Draws `x` `(n, *event)` of a model and what they say about a target `p(x) = exp(log_density(x)) / Z`; numpy, statistics in float64.

    log_weight:   `(n,)`, `log_density(x) - log q(x)` in nats; -inf outside the target's support.
    weight:       `(n,)`, the same normalised: they sum to 1, and `sum(weight * f(x))` estimates the target's mean of f.
    ess:          effective sample size, between 1 and n: `1 / sum(weight^2)`. It cannot see a mode that no draw has reached.
    log_z, log_z_stderr: log of the mean weight, an estimate of log Z, and its standard error by the delta method.
    elbo, elbo_stderr: mean log weight, which bounds log Z from below: `log Z - elbo` is KL(q || p).
    pareto_k:     shape of the generalised Pareto tail of the weights (arXiv 1507.02646): below 0.5 the weights' variance is finite, above 0.7
                  neither log_z nor its error is to be trusted. NaN for fewer than 25 weights that are not zero.
    """

    x: Any
    log_weight: np.ndarray
    weight: np.ndarray
    ess: float
    log_z: float
    log_z_stderr: float
    elbo: float
    elbo_stderr: float
    pareto_k: float

    def kl(self, log_z: float) -> tuple[float, float]:
        """KL(q || p) in nats and its standard error, for a target whose true `log_z` is known (0 where `log_density` is normalised)."""
        return log_z - self.elbo, self.elbo_stderr


def importance(
    key: jax.Array,
    model: Model,
    params: Any,
    log_density: Callable[..., Any],
    num_samples: int = 10_000,
    cond: Any = None,
    *,
    batch_size: int = 10_000,
) -> Importance:
    """Weigh `num_samples` draws of the model by the unnormalised target `log_density`, `(x) -> scalar` over one event.

    cond: one condition `(*cond,)` for all draws, or None; `log_density` closes over its own. batch_size: draws at once, on the device.
    The compiled functions are kept by the identity of `model` and `log_density`: define the latter once. Raises ValueError unless the
    model's density is EXACT, as the logarithm of an estimate has a biased exponential, and FloatingPointError for a target that is NaN
    or +inf at a draw.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 1.5))
    >>> target = jaxgen.bases.normal((2,)).log_prob
    >>> result = jaxgen.evaluation.importance(jax.random.key(0), model, (), target, 4_000)
    >>> abs(result.log_z) < 3 * result.log_z_stderr, result.pareto_k < 0.5
    (True, True)
    """
    if model.transform.density is not Density.EXACT:
        raise ValueError(f"importance: the model's density is {model.transform.density}; accepted: an exact one, as of a flow.")
    conds = None if cond is None else np.broadcast_to(np.asarray(cond), (num_samples, *np.shape(cond)))
    x, lp = sample_and_log_prob(key, model, params, num_samples, conds, batch_size=batch_size)
    log_p = np.asarray(_in_batches(log_density, batch_size, x), np.float64)
    if log_p.shape != (num_samples,):
        raise ValueError(f"log_density returned shape {log_p.shape[1:]} for one event; expected a scalar.")
    return weigh(np.asarray(x), log_p - np.asarray(lp.value, np.float64))


def weigh(x: Any, log_weight: np.ndarray) -> Importance:
    """The `Importance` of draws `x` `(n, ...)` with log weights `(n,)`, n >= 2, whatever drew them.

    Raises ValueError for log weights of another shape, FloatingPointError for ones that are not numbers.
    """
    log_weight = np.asarray(log_weight, np.float64)
    if log_weight.ndim != 1 or len(log_weight) < 2:
        raise ValueError(f"log_weight has shape {log_weight.shape}; expected (n,) with n >= 2.")
    bad = np.isnan(log_weight) | (log_weight == np.inf)
    if bad.any():
        raise FloatingPointError(
            f"the log weights of {int(bad.sum())} of {len(log_weight)} draws are NaN or +inf; outside its support give -inf."
        )
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


def pareto_k(log_weight: Any) -> float:
    """The shape k of a generalised Pareto distribution fitted to the largest weights, given log weights `(n,)` (arXiv 1507.02646, sec. 3).

    The tail is the largest `min(n / 5, 3 sqrt(n))` weights; k is the empirical Bayes estimate of Zhang and Stephens (Technometrics 2009),
    drawn towards 1/2 as by ten observations (arXiv 1507.02646, appendix C). NaN with fewer than five of them, -inf where they are all equal,
    inf where so few draws hold all the weight that the others underflow beside them.
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
def _in_batches(log_density: Callable[..., Any], batch_size: int, x: Any) -> jax.Array:
    return jax.lax.map(log_density, x, batch_size=batch_size)
