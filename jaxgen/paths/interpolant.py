"""Stochastic interpolants between two data sets (arXiv 2303.08797): x_t = alpha(t) x_1 + beta(t) x_0 + gamma(t) z."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.paths.path import Path, Schedule, linear


class Interpolant(NamedTuple):
    """Describe `x_t = alpha(t) x_1 + beta(t) x_0 + gamma(t) z`, from source data x_0 at t = 0 to data x_1 at t = 1, z standard Gaussian.

    Attributes:
        alpha: The weight of x_1, a function of t.
        beta: The weight of x_0, a function of t.
        variance: `gamma(t)^2`, 0 at both ends, or None for an interpolant without noise. It is kept squared because its rate is finite at
            the ends, where the rate of gamma may not be.
    """

    alpha: Schedule
    beta: Schedule
    variance: Schedule | None = None

    def at(self, t: jax.Array, x0: jax.Array, x1: jax.Array, z: jax.Array) -> jax.Array:
        """Return the point x_t.

        Args:
            t: The time, a scalar.
            x0: Source data `(d,)`.
            x1: Data `(d,)`.
            z: Standard Gaussian noise `(d,)`.

        Returns:
            The point `(d,)`.
        """
        mean = self.alpha(t) * x1 + self.beta(t) * x0
        return mean if self.variance is None else mean + jnp.sqrt(self.variance(t)) * z

    def rates(self, t: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return `(alpha', beta', (gamma^2)' / 2)` at `t`.

        The last is gamma gamma', which multiplies `z / gamma`, whose expectation given x_t is minus the score.
        """
        one = jnp.ones_like(t)
        a, b, v = (jax.jvp(f, (t,), (one,))[1] for f in (self.alpha, self.beta, self.variance or jnp.zeros_like))
        return a, b, 0.5 * v

    def direct(self, t: jax.Array, x0: jax.Array, x1: jax.Array) -> jax.Array:
        """Return `alpha' x_1 + beta' x_0`, whose expectation given x_t is the velocity without the part of the noise.

        Args:
            t: The time, a scalar.
            x0: Source data `(d,)`.
            x1: Data `(d,)`.

        Returns:
            The vector `(d,)`.
        """
        d_alpha, d_beta, _ = self.rates(t)
        return d_alpha * x1 + d_beta * x0

    def velocity(self, t: jax.Array, direct: jax.Array, score: jax.Array) -> jax.Array:
        """Return the velocity of the ODE, `direct - gamma gamma' score`.

        Args:
            t: The time, a scalar.
            direct: The expectation of `Interpolant.direct` given x_t, `(d,)`.
            score: The gradient of `log p_t` at x_t, `(d,)`.

        Returns:
            The velocity `(d,)`.

        Source: arXiv 2303.08797, eq. 2.10.
        """
        return direct - self.rates(t)[2] * score


def interpolant(path: Path | None = None, variance: Schedule | None = None) -> Interpolant:
    """Build the interpolant whose alpha and beta are a path's alpha and sigma, so that x_1 and x_0 take the place of data and noise.

    Args:
        path: The path; None is `linear()`. It should end in 0 and 1, as `linear` and `trigonometric` do.
        variance: `t -> gamma(t)^2`, such as `brownian_variance()` or `sine_variance()`. None has no noise, which is flow matching between
            data sets (arXiv 2302.00482).

    Returns:
        The interpolant.

    Raises:
        ValueError: The rate of alpha or sigma is infinite at an end, as that of `follmer` is at t = 1.

    Source: arXiv 2303.08797.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> paths.interpolant().at(jnp.asarray(0.25), jnp.zeros(2), jnp.ones(2), jnp.ones(2))
    Array([0.25, 0.25], dtype=float32)
    """
    path = linear() if path is None else path
    if not isinstance(path, Path):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"path={checks.short(path)}; accepted: a path of jaxgen.paths, such as linear().")
    for t in (0.0, 1.0):
        if not path.is_finite_at(t):
            raise ValueError(
                f"path: alpha or sigma has an infinite rate at t = {t:g}, and so has a velocity learnt on it; accepted: linear(), trigonometric() "
                "or another with finite rates. Noise to data on follmer() is learnt as a denoiser instead: objectives.denoising."
            )
    return Interpolant(path.alpha, path.sigma, variance)


def brownian_variance(scale: float = 1.0) -> Schedule:
    """Return `gamma^2 = scale t (1 - t)`: with the linear path, a Brownian bridge of that diffusion from x_0 to x_1.

    >>> from jaxgen import paths
    >>> paths.brownian_variance(2.0)(0.5)
    0.5
    """
    checks.number("brownian_variance: scale", scale, least=0)
    return lambda t: scale * t * (1 - t)


def sine_variance(scale: float = 1.0) -> Schedule:
    """Return `gamma^2 = scale sin(pi t)^4`, a gamma that is smooth at both ends (arXiv 2303.08797, table 2).

    >>> from jaxgen import paths
    >>> paths.sine_variance(2.0)(0.5)
    Array(2., dtype=float32, weak_type=True)
    """
    checks.number("sine_variance: scale", scale, least=0)
    return lambda t: scale * jnp.sin(jnp.pi * t) ** 4


class Truth(NamedTuple):
    """Hold what networks on an interpolant should learn, as functions `(params, x_t (d,), t, cond=None)` that use neither params nor cond.

    Attributes:
        direct: The expectation of `Interpolant.direct` given x_t, `(d,)`.
        velocity: The velocity of the ODE, `(d,)`.
        score: The gradient of `log p_t`, `(d,)`.
        log_prob: `log p_t` in nats, a scalar.
    """

    direct: Any
    velocity: Any
    score: Any
    log_prob: Any


def interpolant_mixture(between: Interpolant, source: tuple[ArrayLike, ...], target: tuple[ArrayLike, ...]) -> Truth:
    """Return what networks should learn on an interpolant between two independent Gaussian mixtures.

    For every pair of components x_t is Gaussian around `alpha m_1 + beta m_0` with variance `(alpha s_1)^2 + (beta s_0)^2 + gamma^2`.

    Args:
        between: The interpolant.
        source: The weights `(k,)`, means `(k, d)` and standard deviations `(k,)` of x_0.
        target: The weights, means and standard deviations of x_1.

    Returns:
        The exact functions.

    >>> import jax.numpy as jnp, numpy as np
    >>> from jaxgen import paths
    >>> gaussian = (np.ones(1), np.zeros((1, 1)), np.ones(1))
    >>> truth = paths.interpolant_mixture(paths.interpolant(), gaussian, gaussian)
    >>> truth.score((), jnp.ones(1), jnp.asarray(0.5))  # x_t has variance 1/2
    Array([-2.], dtype=float32)
    """
    (w0, m0, s0), (w1, m1, s1) = ([np.asarray(a, np.float64) for a in side] for side in (source, target))
    first, second = (i.ravel() for i in np.indices((w0.size, w1.size)))
    constants = (w0[first] * w1[second], m0[first], s0[first, None], m1[second], s1[second, None])

    def components(x: jax.Array, t: jax.Array) -> Any:
        weights, m0, s0, m1, s1 = (jnp.asarray(c, x.dtype) for c in constants)
        alpha, beta = between.alpha(t), between.beta(t)
        d_alpha, d_beta, _ = between.rates(t)
        noise = 0 if between.variance is None else between.variance(t)
        variance = (alpha * s1) ** 2 + (beta * s0) ** 2 + noise
        standard = (x[None] - alpha * m1 - beta * m0) / variance
        direct = d_alpha * (m1 + alpha * s1**2 * standard) + d_beta * (m0 + beta * s0**2 * standard)
        logs = jnp.log(weights / jnp.sum(weights)) - 0.5 * jnp.sum(standard**2 * variance + jnp.log(2 * jnp.pi * variance), 1)
        return logs, direct, -standard

    def mean(x: jax.Array, t: jax.Array, i: int) -> jax.Array:
        of_each = components(x, t)
        return jax.nn.softmax(of_each[0]) @ of_each[i]

    def velocity(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        return between.velocity(t, mean(x, t, 1), mean(x, t, 2))

    return Truth(
        lambda params, x, t, cond=None: mean(x, t, 1),
        velocity,
        lambda params, x, t, cond=None: mean(x, t, 2),
        lambda params, x, t, cond=None: jax.nn.logsumexp(components(x, t)[0]),
    )
