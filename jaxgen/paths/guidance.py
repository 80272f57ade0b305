"""Guidance: functions from a prediction to a prediction, so that every sampler can run a guided network without a change."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.numerics.small_matrices import solve
from jaxgen.paths.prediction import Function, Prediction, inside, prediction, refuse_coupled
from jaxgen.paths.target import unit_target


def guided(
    conditional: Prediction,
    scale: float,
    *,
    interval: tuple[float, float] = (0.0, 1.0),
    null_cond: Any = None,
    weak: Prediction | None = None,
) -> Prediction:
    """Steer a prediction by classifier-free guidance, `y_null + scale (y_cond - y_null)`.

    Every target of one (x_t, t) is the same affine function of every other, so it does not matter which one is guided. The guided
    prediction is not the diffusion of any data, so its samplers report the density of the ODE or the chain that they run, which is still
    exact.

    Args:
        conditional: The prediction that reads the condition.
        scale: 1 is the conditional model, 0 the unconditional one, and more than 1 exaggerates the condition; it is the paper's 1 + w.
        interval: The times with guidance; outside them the scale is 1 (arXiv 2404.07724).
        null_cond: The condition that stands for none, `(*cond)`, or None if the network takes None.
        weak: Another prediction with the same params to guide away from, as in autoguidance (arXiv 2406.02507). None is `conditional`.

    Returns:
        The guided prediction.

    Raises:
        ValueError: The interval is not within 0 <= start < end <= 1, `scale` is not finite, or the two paths differ.

    Source: arXiv 2207.12598, eq. 6.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> network = lambda params, x, t, cond=None: jnp.zeros_like(x) if cond is None else cond
    >>> conditional = paths.prediction(paths.linear(), network, "denoiser")
    >>> steered = paths.guided(conditional, 2.0)
    >>> jnp.round(steered.denoiser((), jnp.zeros(1), jnp.asarray(0.5), jnp.ones(1)), 3)
    Array([2.], dtype=float32)
    """
    checks.number("guided: scale", scale)
    low, high = interval
    if not 0 <= low < high <= 1:
        raise ValueError(f"guided: interval={interval!r}; accepted: (start, end) with 0 <= start < end <= 1.")
    weak = conditional if weak is None else weak
    if weak.path is not conditional.path:
        raise ValueError(
            "guided: weak on another path; accepted: the path of `conditional`, as paths.on_path(weak, conditional.path) reads it."
        )
    unit = unit_target()
    strong_output, weak_output = conditional.read(unit), weak.read(unit)

    def output(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        w = jnp.where((t >= low) & (t <= high), jnp.asarray(scale, t.dtype), jnp.ones_like(t))
        null = weak_output(params, x, t, None if null_cond is None else jnp.asarray(null_cond, x.dtype))
        return null + w * (strong_output(params, x, t, cond) - null)

    return prediction(conditional.path, output, unit, coupled=conditional.coupled or weak.coupled)


def conditioned_on(
    prior: Prediction,
    matrix: ArrayLike,
    measurement: ArrayLike | None,
    noise: float,
    *,
    covariance: str = "jacobian",
    sigma_data: float = 1.0,
) -> Prediction:
    """Condition a prediction on a noisy linear measurement of the data: the denoiser after a Kalman update.

    Given x_t the data are taken as Gaussian around the denoiser's x_hat with covariance V. For the measurement `y = A x + noise z'` the
    update is `x_hat + V A^T (A V A^T + noise^2 I)^-1 (y - A x_hat)`.

    Args:
        prior: The prediction of the data before the measurement.
        matrix: A, `(m, d)`; to A, an image is its d numbers in a row.
        measurement: y, `(m,)`. None reads it from the condition `(m,)` of the posterior; the prior then has none.
        noise: The standard deviation of the measurement's noise, above 0.
        covariance: "jacobian" takes `V = (sigma^2 / alpha) d x_hat / d x_t`, the true covariance by Tweedie's second-order formula (arXiv
            2310.06721). It is exact for Gaussian data and costs m backward passes. "isotropic" replaces the V in the bracket by `r^2 I`
            with `r^2 = sigma^2 sigma_data^2 / (alpha^2 sigma_data^2 + sigma^2)` and costs one backward pass.
        sigma_data: The standard deviation of the data, which only "isotropic" reads.

    Returns:
        The prediction of the posterior, with the same params.

    Raises:
        ValueError: Shapes disagree, a number is not finite, `noise` or `sigma_data` is not positive, or `covariance` is unknown.

    Source: arXiv 2310.06721; Song et al., Pseudoinverse-Guided Diffusion Models, ICLR 2023.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import paths
    >>> prior = paths.mixture_prediction(paths.linear(), jnp.ones(1), jnp.zeros((1, 1)), 1.0)  # standard Gaussian data
    >>> denoiser = jax.jit(paths.conditioned_on(prior, [[1.0]], [2.0], 1.0).denoiser)
    >>> bool(jnp.allclose(denoiser((), jnp.zeros(1), jnp.asarray(0.001)), 1.0, atol=0.01))
    True
    """
    a, y = np.asarray(matrix, np.float64), None if measurement is None else np.asarray(measurement, np.float64)
    if a.ndim != 2 or (y is not None and y.shape != a.shape[:1]):
        shape = None if y is None else y.shape
        raise ValueError(f"conditioned_on: matrix of shape {a.shape} and measurement of shape {shape}; accepted: (m, d) and (m,).")
    if not (np.isfinite(a).all() and (y is None or np.isfinite(y).all())):
        raise ValueError("conditioned_on: matrix or measurement with a number that is not finite; accepted: finite numbers.")
    if not 0 < noise < np.inf:
        raise ValueError(f"conditioned_on: noise={noise!r}; accepted: a positive standard deviation.")
    checks.number("conditioned_on: sigma_data", sigma_data, above=0)
    if covariance not in ("jacobian", "isotropic"):
        raise ValueError(f'conditioned_on: covariance={covariance!r}; accepted: "jacobian", "isotropic".')
    if prior.coupled:
        # Tweedie's covariance is read off the denoiser's slope, and holds for independent noise alone.
        refuse_coupled("conditioned_on: prior")
    return prediction(prior.path, _updated(prior, a, y, noise, covariance, sigma_data), unit_target())


def inpainting(prior: Prediction, mask: ArrayLike, values: ArrayLike, noise: float = 0.01, **options: Any) -> Prediction:
    """Condition a prediction on known coordinates of the data, as `conditioned_on` does with rows of the identity.

    Args:
        prior: The prediction of the data.
        mask: True where a coordinate is known, shaped as an event.
        values: The known values, shaped as an event; the others are not read.
        noise: The standard deviation with which the values are known, above 0.
        **options: The keyword arguments of `conditioned_on`.

    Returns:
        The prediction of the posterior, with the same params.

    Raises:
        ValueError: The shapes differ, or no coordinate is known.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import paths
    >>> prior = paths.mixture_prediction(paths.linear(), jnp.ones(1), jnp.zeros((1, 2)), 1.0)
    >>> denoiser = jax.jit(paths.inpainting(prior, [True, False], [2.0, 0.0]).denoiser)
    >>> bool(jnp.allclose(denoiser((), jnp.zeros(2), jnp.asarray(0.5)), jnp.asarray([2.0, 0.0]), atol=0.01))
    True
    """
    known, values = np.asarray(mask, bool), np.asarray(values, np.float64)
    if known.ndim < 1 or values.shape != known.shape or not known.any():
        raise ValueError(
            f"inpainting: mask of shape {known.shape} and values of shape {values.shape}; "
            "accepted: both an event's shape, at least one coordinate known."
        )
    return conditioned_on(prior, np.eye(known.size)[known.ravel()], values[known], noise, **options)


def _updated(prior: Prediction, a: np.ndarray, y: np.ndarray | None, noise: float, covariance: str, sigma_data: float) -> Function:
    # In the unit target F the data are x_hat = (alpha / n^2) x + (sigma / n) F, hence V = (sigma / n)^2 I + sigma^3 / (alpha n) dF/dx, and
    # a change of x_hat by V u is one of F by (n / sigma) V u, in which nothing is divided by sigma.
    path, unit, pure_noise = prior.path, prior.read(unit_target()), functools.cache(lambda: 0.5 * prior.path.ends()[0])

    def output(params: Any, event: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        x = event.ravel()
        t = inside(t, pure_noise(), 0)
        matrix, alpha, sigma = jnp.asarray(a, x.dtype), path.alpha(t), path.sigma(t)
        n = jnp.sqrt(alpha**2 + sigma**2)
        seen, cond = (cond, None) if y is None else (y, cond)
        f, pull = jax.vjp(lambda x: unit(params, x.reshape(event.shape), t, cond).ravel(), x)
        rest = jnp.asarray(seen, x.dtype) - matrix @ (alpha / n**2 * x + sigma / n * f)
        noises = noise**2 * jnp.eye(len(a), dtype=x.dtype)
        if covariance == "isotropic":
            variance = (sigma * sigma_data) ** 2 / ((alpha * sigma_data) ** 2 + sigma**2)
            u = matrix.T @ solve(variance * matrix @ matrix.T + noises, rest)
            return (f + sigma / n * u + sigma**2 / alpha * pull(u)[0]).reshape(event.shape)
        pulled = jax.vmap(lambda row: pull(row)[0])(matrix)
        scaled = sigma / n * matrix + sigma**2 / alpha * pulled
        measured = sigma / n * scaled @ matrix.T
        return (f + scaled.T @ solve(0.5 * (measured + measured.T) + noises, rest)).reshape(event.shape)

    return output
