"""A diffusion in both directions: its two drifts, its velocity and score, and the exact bridge between two Gaussians."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.numerics.small_matrices import solve
from jaxgen.paths.prediction import Function


def drifts(velocity: Function, score: Function, sigma: float) -> tuple[Function, Function]:
    """Return the two drifts of the diffusion with constant `sigma` that has this velocity and score.

    Forward in time it is `dX = drift dt + sigma dW`, and in the time 1 - t it is `dX = backward_drift dt + sigma dW`. The drifts are
    `sigma^2 / 2 score + velocity` and `sigma^2 / 2 score - velocity`.

    Args:
        velocity: `(params, x_t (d,), t, cond) -> (d,)`.
        score: `(params, x_t (d,), t, cond) -> (d,)`, the gradient of `log p_t`.
        sigma: The diffusion's standard deviation per unit of root time, above 0.

    Returns:
        `(drift, backward_drift)`, functions of the same arguments.

    Raises:
        ValueError: `sigma` is not positive.

    Source: arXiv 2307.03672, eq. 5.

    >>> from jaxgen import paths
    >>> drift, backward_drift = paths.drifts(lambda params, x, t, cond: x, lambda params, x, t, cond: -x, 2.0)
    >>> drift((), 1.0, 0.5), backward_drift((), 1.0, 0.5)
    (-1.0, -3.0)
    """
    half = 0.5 * checked(sigma) ** 2
    return (
        lambda params, x, t, cond=None: half * score(params, x, t, cond) + velocity(params, x, t, cond),
        lambda params, x, t, cond=None: half * score(params, x, t, cond) - velocity(params, x, t, cond),
    )


def velocity_and_score(drift: Function, backward_drift: Function, sigma: float) -> tuple[Function, Function]:
    """Return the velocity and the score of the marginals that both drifts share.

    The velocity is half the difference of the drifts, and the score is their sum over `sigma^2` (Nelson's relation).

    Args:
        drift: `(params, x_t (d,), t, cond) -> (d,)`, the drift forward in time.
        backward_drift: The drift in the time 1 - t, a function of the same arguments.
        sigma: The diffusion's standard deviation per unit of root time, above 0.

    Returns:
        `(velocity, score)`, functions of the same arguments.

    Raises:
        ValueError: `sigma` is not positive.

    >>> from jaxgen import paths
    >>> velocity, score = paths.velocity_and_score(lambda params, x, t, cond: -x, lambda params, x, t, cond: -3 * x, 2.0)
    >>> velocity((), 1.0, 0.5), score((), 1.0, 0.5)
    (1.0, -1.0)
    """
    scale = checked(sigma) ** -2
    return (
        lambda params, x, t, cond=None: 0.5 * (drift(params, x, t, cond) - backward_drift(params, x, t, cond)),
        lambda params, x, t, cond=None: scale * (drift(params, x, t, cond) + backward_drift(params, x, t, cond)),
    )


def checked(sigma: Any) -> float:
    """Return `sigma`; raise ValueError unless it is a positive number."""
    checks.number("sigma", sigma, above=0)
    return sigma


class GaussianBridge(NamedTuple):
    """Hold the exact diffusion between two Gaussians.

    The last four are functions `(params, x_t (d,), t, cond=None) -> (d,)`, which do not use `params` and `cond`.

    Attributes:
        coupling: The covariance of x_0 (rows) with x_1 (columns), `(d, d)`.
        mean: `t -> (d,)`, the mean of x_t, in float64.
        covariance: `t -> (d, d)`, the covariance of x_t, in float64.
        drift: The drift forward in time.
        backward_drift: The drift in the time 1 - t.
        velocity: The velocity of the ODE with the same marginals.
        score: The gradient of `log p_t`.
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
    """Return the Schrodinger bridge between two Gaussians, for a Brownian motion of scale `sigma`.

    The coupling of its ends is entropic transport: for covariances A and B it is `(A^1/2 E A^-1/2 - sigma^2) / 2` with
    `E = (4 A^1/2 B A^1/2 + sigma^4)^1/2`. Between the ends it is a Brownian bridge.

    Args:
        source: The mean `(d,)` and covariance `(d, d)` at t = 0.
        target: The mean `(d,)` and covariance `(d, d)` at t = 1.
        sigma: The standard deviation of the Brownian motion per unit of root time, above 0.
        coupling: Another covariance of x_0 with x_1, `(d, d)`. The result is then the diffusion with the marginals of that mixture of
            bridges, its Markovian projection (arXiv 2303.16852, proposition 2). None is the Schrodinger bridge.

    Returns:
        The moments, the drifts, the velocity and the score.

    Raises:
        ValueError: Shapes disagree, a covariance is not positive definite, or `sigma` is not positive.

    Source: arXiv 2006.02572, theorem 1; arXiv 2202.05722, theorem 3.

    >>> import numpy as np
    >>> from jaxgen import paths
    >>> bridge = paths.gaussian_bridge((np.zeros(1), np.eye(1)), (np.ones(1), np.eye(1)))
    >>> bridge.mean(0.25), bridge.covariance(1.0)
    (array([0.25]), array([[1.]]))
    """
    (m0, a), (m1, b) = _gaussian("source", source), _gaussian("target", target)
    if m0.shape != m1.shape:
        raise ValueError(f"gaussian_bridge: target of dimension {m1.size}; accepted: the dimension of source, {m0.size}.")
    variance, eye = float(checked(sigma)) ** 2, np.eye(m0.size)
    if coupling is None:
        root = _power(a, 0.5)
        coupling = 0.5 * (root @ _power(4 * root @ b @ root + variance**2 * eye, 0.5) @ _power(a, -0.5) - variance * eye)
    c = np.asarray(coupling, np.float64)
    if c.shape != a.shape:
        raise ValueError(f"gaussian_bridge: coupling of shape {c.shape}; accepted: {a.shape}.")
    start, end, both = c.T - a, b - c, c + c.T

    def covariance(t: Any, xp: Any = np, dtype: Any = np.float64) -> Any:
        a_, b_, both_, eye_ = (xp.asarray(m, dtype) for m in (a, b, both, variance * eye))
        return (1 - t) ** 2 * a_ + t**2 * b_ + t * (1 - t) * (both_ + eye_)

    def read(x: jax.Array, t: jax.Array, direct: float, noise: Callable[[jax.Array], Any]) -> jax.Array:
        """Return `direct E[x_1 - x_0 | x_t] + noise(t) score`."""
        m0_, m1_, start_, end_ = (jnp.asarray(m, x.dtype) for m in (m0, m1, start, end))
        standard = solve(covariance(t, jnp, x.dtype), x - (1 - t) * m0_ - t * m1_)
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
        raise ValueError(
            f"gaussian_bridge: {name}: mean {mean.shape}, covariance {covariance.shape}; accepted: (d,) and (d, d), positive definite."
        )
    return mean, covariance


def _power(matrix: np.ndarray, power: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**power) @ vectors.T
