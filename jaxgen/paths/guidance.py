"""Guidance: functions from a prediction to a prediction, so that every sampler can run a guided network without knowing."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.paths.prediction import Function, Prediction, inside, prediction
from jaxgen.paths.target import unit_target


def guided(
    conditional: Prediction,
    scale: float,
    *,
    interval: tuple[float, float] = (0.0, 1.0),
    null_cond: Any = None,
    weak: Prediction | None = None,
) -> Prediction:
    """Classifier-free guidance (arXiv 2207.12598, eq. 6 with scale = 1 + w): `y_null + scale (y_cond - y_null)`.

    Every target of one (x_t, t) is the same affine function of every other, so it does not matter which is guided. scale 1 is the
    conditional model, 0 the unconditional one. null_cond: the condition that stands for none. interval: the times with guidance; outside
    them scale is 1 (arXiv 2404.07724). weak: another prediction with the same params to guide away from, as in autoguidance (arXiv
    2406.02507); by default `conditional` itself. The result is no diffusion of any data, so its samplers' densities are those of the ODE or
    the chain, which is still exact. Raises ValueError for an interval outside 0 <= start < end <= 1, or paths that differ.
    """
    checks.number("guided: scale", scale)
    low, high = interval
    if not 0 <= low < high <= 1:
        raise ValueError(f"interval={interval!r}; accepted: (start, end) with 0 <= start < end <= 1.")
    weak = conditional if weak is None else weak
    if weak.path is not conditional.path:
        raise ValueError("weak: its path is another one; read it on the same path first, paths.on_path(weak, conditional.path).")
    unit = unit_target()
    strong_output, weak_output = conditional.read(unit), weak.read(unit)

    def output(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        w = jnp.where((t >= low) & (t <= high), jnp.asarray(scale, t.dtype), jnp.ones_like(t))
        null = weak_output(params, x, t, None if null_cond is None else jnp.asarray(null_cond, x.dtype))
        return null + w * (strong_output(params, x, t, cond) - null)

    return prediction(conditional.path, output, unit)


def conditioned_on(
    prior: Prediction, matrix: ArrayLike, measurement: ArrayLike, noise: float, *, covariance: str = "jacobian", sigma_data: float = 1.0
) -> Prediction:
    """The posterior given `measurement = matrix x + noise z'`: the denoiser after a Kalman update, matrix `(m, d)`, measurement `(m,)`.

    An event that is an image is its d numbers in a row to `matrix`.

    The data are taken as Gaussian around x_hat with covariance V, so the update is `x_hat + V A^T (A V A^T + noise^2 I)^-1 (y - A x_hat)`.
    covariance "jacobian": V = (sigma^2 / alpha) d x_hat / d x_t, the true covariance (Tweedie's second order; arXiv 2310.06721), exact for
    Gaussian data, for m backward passes. "isotropic": the bracket's V is `r^2 I` with `r^2 = sigma^2 sigma_data^2 / (alpha^2 sigma_data^2 +
    sigma^2)`, one backward pass (pseudoinverse guidance, Song et al., ICLR 2023). Raises ValueError for shapes that disagree, a noise that
    is not positive or another covariance.
    """
    a, y = np.asarray(matrix, np.float64), np.asarray(measurement, np.float64)
    if a.ndim != 2 or y.shape != a.shape[:1]:
        raise ValueError(f"matrix of shape {a.shape} and measurement of shape {y.shape}; accepted: (m, d) and (m,).")
    if not (np.isfinite(a).all() and np.isfinite(y).all()):
        raise ValueError("matrix and measurement: every number must be finite.")
    if not 0 < noise < np.inf:
        raise ValueError(f"noise={noise!r}; accepted: a positive standard deviation.")
    checks.number("sigma_data", sigma_data, above=0)
    if covariance not in ("jacobian", "isotropic"):
        raise ValueError(f'covariance={covariance!r}; accepted: "jacobian", "isotropic".')
    return prediction(prior.path, _updated(prior, a, y, noise, covariance, sigma_data), unit_target())


def inpainting(prior: Prediction, mask: ArrayLike, values: ArrayLike, noise: float = 0.01, **options: Any) -> Prediction:
    """`conditioned_on` for coordinates that are known: `values` where `mask` is true, both an event's shape, up to `noise`; `options` are its own."""
    known, values = np.asarray(mask, bool), np.asarray(values, np.float64)
    if known.ndim < 1 or values.shape != known.shape or not known.any():
        raise ValueError(
            f"mask of shape {known.shape} and values of shape {values.shape}; accepted: both an event's shape, at least one coordinate known."
        )
    return conditioned_on(prior, np.eye(known.size)[known.ravel()], values[known], noise, **options)


def _updated(prior: Prediction, a: np.ndarray, y: np.ndarray, noise: float, covariance: str, sigma_data: float) -> Function:
    # In the unit target F the data are x_hat = (alpha / n^2) x + (sigma / n) F, hence V = (sigma / n)^2 I + sigma^3 / (alpha n) dF/dx, and a
    # change of x_hat by V u is one of F by (n / sigma) V u, in which nothing is divided by sigma.
    path, unit, pure_noise = prior.path, prior.read(unit_target()), functools.cache(lambda: 0.5 * prior.path.ends()[0])

    def output(params: Any, event: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        x = event.ravel()
        t = inside(t, pure_noise(), 0)
        matrix, alpha, sigma = jnp.asarray(a, x.dtype), path.alpha(t), path.sigma(t)
        n = jnp.sqrt(alpha**2 + sigma**2)
        f, pull = jax.vjp(lambda x: unit(params, x.reshape(event.shape), t, cond).ravel(), x)
        rest = jnp.asarray(y, x.dtype) - matrix @ (alpha / n**2 * x + sigma / n * f)
        noises = noise**2 * jnp.eye(y.size, dtype=x.dtype)
        if covariance == "isotropic":
            spread = (sigma * sigma_data) ** 2 / ((alpha * sigma_data) ** 2 + sigma**2)
            u = matrix.T @ jnp.linalg.solve(spread * matrix @ matrix.T + noises, rest)
            return (f + sigma / n * u + sigma**2 / alpha * pull(u)[0]).reshape(event.shape)
        pulled = jax.vmap(lambda row: pull(row)[0])(matrix)
        scaled = sigma / n * matrix + sigma**2 / alpha * pulled
        measured = sigma / n * scaled @ matrix.T
        return (f + scaled.T @ jnp.linalg.solve(0.5 * (measured + measured.T) + noises, rest)).reshape(event.shape)

    return output
