"""A diffusion read in both directions: its two drifts, its velocity and its score; and the truth between two Gaussians in closed form."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.paths.prediction import Function


def drifts(velocity: Function, score: Function, sigma: float) -> tuple[Function, Function]:
    """`(drift, backward_drift)` of the diffusion with constant `sigma` that has these velocity and score (arXiv 2307.03672, eq. 5).

    Forward `dX = drift dt + sigma dW`, backward in the time 1 - t `dX = backward_drift dt + sigma dW`: `sigma^2 / 2 score +- velocity`.
    """
    half = 0.5 * checked(sigma) ** 2
    return (
        lambda params, x, t, cond=None: half * score(params, x, t, cond) + velocity(params, x, t, cond),
        lambda params, x, t, cond=None: half * score(params, x, t, cond) - velocity(params, x, t, cond),
    )


def velocity_and_score(drift: Function, backward_drift: Function, sigma: float) -> tuple[Function, Function]:
    """`(velocity, score)` of the marginals that both drifts share: half their difference, and their sum over sigma^2 (Nelson's relation)."""
    scale = checked(sigma) ** -2
    return (
        lambda params, x, t, cond=None: 0.5 * (drift(params, x, t, cond) - backward_drift(params, x, t, cond)),
        lambda params, x, t, cond=None: scale * (drift(params, x, t, cond) + backward_drift(params, x, t, cond)),
    )


def checked(sigma: Any) -> float:
    """`sigma`, or ValueError unless it is a positive number."""
    checks.number("sigma", sigma, above=0)
    return sigma


class GaussianBridge(NamedTuple):
    """The truth between two Gaussians.

    coupling:   `(d, d)`, the covariance of x_0 (rows) with x_1 (columns).
    mean, covariance: `t -> (d,)` and `t -> (d, d)` of x_t, numpy in float64.
    drift, backward_drift, velocity, score: functions `(params, x_t (d,), t, cond=None) -> (d,)`; params and cond are not used.
    """

    coupling: np.ndarray
    mean: Callable[[float], np.ndarray]
    covariance: Callable[[float], np.ndarray]
    drift: Function
    backward_drift: Function
    velocity: Function
    score: Function


def gaussian_bridge(
    source: tuple[ArrayLike, ArrayLike], target: tuple[ArrayLike, ArrayLike], sigma: float = 1.0, coupling: ArrayLike | None = None
) -> GaussianBridge:
    """The Schrodinger bridge from `source` to `target`, each `(mean (d,), covariance (d, d))`, for a Brownian motion of scale `sigma`.

    Statically it is entropic transport, whose coupling of covariances A and B is `(A^1/2 E A^-1/2 - sigma^2) / 2` with
    `E = (4 A^1/2 B A^1/2 + sigma^4)^1/2` (arXiv 2006.02572, theorem 1); between its ends a Brownian bridge (arXiv 2202.05722, theorem 3).

    coupling: another covariance of x_0 with x_1; it is then the diffusion with the marginals of that mixture of bridges, its Markovian
    projection (arXiv 2303.16852, proposition 2). Raises ValueError where shapes disagree or a covariance is not positive definite.
    """
    (m0, a), (m1, b) = _gaussian("source", source), _gaussian("target", target)
    if m0.shape != m1.shape:
        raise ValueError(f"source of dimension {m0.size} and target of dimension {m1.size}: both must be the same.")
    variance, eye = float(checked(sigma)) ** 2, np.eye(m0.size)
    if coupling is None:
        root = _power(a, 0.5)
        coupling = 0.5 * (root @ _power(4 * root @ b @ root + variance**2 * eye, 0.5) @ _power(a, -0.5) - variance * eye)
    c = np.asarray(coupling, np.float64)
    if c.shape != a.shape:
        raise ValueError(f"coupling of shape {c.shape}; accepted: {a.shape}.")
    start, end, both = c.T - a, b - c, c + c.T

    def covariance(t: Any, xp: Any = np, dtype: Any = np.float64) -> Any:
        a_, b_, both_, eye_ = (xp.asarray(m, dtype) for m in (a, b, both, variance * eye))
        return (1 - t) ** 2 * a_ + t**2 * b_ + t * (1 - t) * (both_ + eye_)

    def read(x: jax.Array, t: jax.Array, direct: float, noise: Callable[[jax.Array], Any]) -> jax.Array:
        """`direct E[x_1 - x_0 | x_t] + noise(t) score`."""
        m0_, m1_, start_, end_ = (jnp.asarray(m, x.dtype) for m in (m0, m1, start, end))
        standard = jnp.linalg.solve(covariance(t, jnp, x.dtype), x - (1 - t) * m0_ - t * m1_)
        return direct * (m1_ - m0_ + ((1 - t) * start_ + t * end_) @ standard) - noise(t) * standard

    def function(direct: float, noise: Callable[[jax.Array], Any]) -> Function:
        return lambda params, x, t, cond=None: read(x, t, direct, noise)

    return GaussianBridge(
        c,
        lambda t: (1 - t) * m0 + t * m1,
        covariance,
        function(1.0, lambda t: variance * t),
        function(-1.0, lambda t: variance * (1 - t)),
        function(1.0, lambda t: variance * (t - 0.5)),
        function(0.0, jnp.ones_like),
    )


def _gaussian(name: str, given: tuple[ArrayLike, ArrayLike]) -> tuple[np.ndarray, np.ndarray]:
    mean, covariance = (np.asarray(a, np.float64) for a in given)
    square = mean.ndim == 1 and covariance.shape == (mean.size, mean.size)
    if not square or not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance).min() <= 0:
        raise ValueError(f"{name}: mean {mean.shape}, covariance {covariance.shape}; accepted: (d,) and (d, d), positive definite.")
    return mean, covariance


def _power(matrix: np.ndarray, power: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**power) @ vectors.T
