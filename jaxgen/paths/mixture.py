"""The truth for Gaussian mixtures as data: at every t the density, the score and every prediction are in closed form."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxgen.paths.path import Path
from jaxgen.paths.prediction import Function, Prediction, prediction
from jaxgen.paths.target import unit_target


def mixture_prediction(path: Path, weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> Prediction:
    """The perfect network on `path` for data `sum_k weights[k] N(means[k], diag(sds[k]^2))`; it has no params, give any.

    weights `(k,)`, means `(k, d)`, sds scalar, `(k,)` or `(k, d)`; weights need not sum to one. A condition `(k,)` replaces the weights: a
    one-hot vector is a class. Given the component, data and x_t are jointly Gaussian; the component's posterior weighs the answers. Raises
    ValueError where shapes disagree, or a weight or standard deviation is not positive.
    """
    mixture, unit = _checked(weights, means, sds), unit_target()

    def output(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        posterior, deviation, variance, _ = _components(path, mixture, x, t, cond)
        means, sds = (jnp.asarray(a, x.dtype) for a in mixture[1:])
        data = means + path.alpha(t) * sds**2 / variance * deviation
        noise = path.sigma(t) / variance * deviation
        return posterior @ unit.at(path, t, data, noise)

    def score(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        posterior, deviation, variance, _ = _components(path, mixture, x, t, cond)
        return -(posterior @ (deviation / variance))

    return prediction(path, output, unit)._replace(score=score)


def mixture_log_prob(path: Path, weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> Function:
    """`(x_t (d,), t, cond=None) -> log p_t(x_t)` in nats for the data of `mixture_prediction`: each component spread by the noise."""
    mixture = _checked(weights, means, sds)

    def log_prob(x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        return _components(path, mixture, x, t, cond)[3]

    return log_prob


def _components(path: Path, mixture: Any, x: jax.Array, t: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Posterior `(k,)` of the component, `x - alpha mean` and its variance, both `(k, d)`, and the log density."""
    weights, means, sds = (jnp.asarray(a, x.dtype) for a in mixture)
    weights = weights if cond is None else jnp.asarray(cond, x.dtype)
    deviation = x[None] - path.alpha(t) * means
    variance = (path.alpha(t) * sds) ** 2 + path.sigma(t) ** 2
    log_components = -0.5 * jnp.sum(deviation**2 / variance + jnp.log(2 * jnp.pi * variance), 1)
    joint = jnp.where(weights > 0, jnp.log(jnp.where(weights > 0, weights, 1)) - jnp.log(jnp.sum(weights)), -jnp.inf) + log_components
    return jax.nn.softmax(joint), deviation, variance, jax.nn.logsumexp(joint)


def _checked(weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    w, m, s = (np.asarray(a, np.float64) for a in (weights, means, sds))
    if w.ndim != 1 or m.ndim != 2 or m.shape[0] != w.shape[0]:
        raise ValueError(f"weights of shape {w.shape} and means of shape {m.shape}; accepted: (k,) and (k, d).")
    s = s[:, None] if s.ndim == 1 else s
    if s.shape not in ((), (w.size, 1), m.shape):
        raise ValueError(f"sds of shape {s.shape}; accepted: a scalar, {(w.size,)} or {m.shape}.")
    if not (np.all(w > 0) and np.all(s > 0) and all(np.isfinite(a).all() for a in (w, m, s))):
        raise ValueError("weights, means and sds: every one must be finite, and weights and sds positive.")
    return w, m, np.broadcast_to(s, m.shape)
