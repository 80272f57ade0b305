"""Gaussian mixtures as data: at every t the density, the score and every prediction are known in closed form."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxgen.paths.path import Path
from jaxgen.paths.prediction import Function, Prediction, prediction
from jaxgen.paths.target import unit_target


def mixture_prediction(path: Path, weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> Prediction:
    """Return the perfect network for data from a Gaussian mixture, `sum_k weights[k] N(means[k], diag(sds[k]^2))`.

    Given the component, data and x_t are jointly Gaussian, and the posterior of the component weighs the answers. The network has no params
    and accepts any. A condition `(k,)` replaces the weights, so that a one-hot vector is a class.

    Args:
        path: The path.
        weights: Weights `(k,)`, above 0; they need not sum to one.
        means: Means `(k, d)`.
        sds: Standard deviations, a scalar, `(k,)` or `(k, d)`, above 0.

    Returns:
        The prediction on `path`.

    Raises:
        ValueError: Shapes disagree, or a weight or standard deviation is not positive.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> perfect = paths.mixture_prediction(paths.linear(), jnp.ones(1), jnp.zeros((1, 1)), 1.0)
    >>> perfect.score((), jnp.ones(1), jnp.asarray(0.5))  # x_t has variance 1/2
    Array([-2.], dtype=float32)
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
    """Return the log density of x_t for the data of `mixture_prediction`.

    Args:
        path: The path.
        weights: Weights `(k,)`, above 0; they need not sum to one.
        means: Means `(k, d)`.
        sds: Standard deviations, a scalar, `(k,)` or `(k, d)`, above 0.

    Returns:
        `(x_t (d,), t, cond=None) -> log p_t(x_t)` in nats.

    Raises:
        ValueError: Shapes disagree, or a weight or standard deviation is not positive.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> log_prob = paths.mixture_log_prob(paths.linear(), jnp.ones(1), jnp.zeros((1, 1)), 1.0)
    >>> log_prob(jnp.zeros(1), jnp.asarray(1.0))  # the standard Gaussian
    Array(-0.9189385, dtype=float32)
    """
    mixture = _checked(weights, means, sds)

    def log_prob(x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        return _components(path, mixture, x, t, cond)[3]

    return log_prob


def _components(path: Path, mixture: Any, x: jax.Array, t: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Return the component's posterior `(k,)`, `x - alpha mean` and its variance, both `(k, d)`, and the log density."""
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
        raise ValueError(f"mixture: weights of shape {w.shape} and means of shape {m.shape}; accepted: (k,) and (k, d).")
    s = s[:, None] if s.ndim == 1 else s
    if s.shape not in ((), (w.size, 1), m.shape):
        raise ValueError(f"mixture: sds of shape {s.shape}; accepted: a scalar, {(w.size,)} or {m.shape}.")
    if not (np.all(w > 0) and np.all(s > 0) and all(np.isfinite(a).all() for a in (w, m, s))):
        raise ValueError("mixture: weights, means or sds out of range; accepted: finite numbers, weights and sds positive.")
    return w, m, np.broadcast_to(s, m.shape)
