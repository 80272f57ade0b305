"""Stochastic interpolants between two data sets (arXiv 2303.08797): x_t = alpha(t) x_1 + beta(t) x_0 + gamma(t) z."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.paths.path import Path, Schedule, linear


class Interpolant(NamedTuple):
    """`x_t = alpha(t) x_1 + beta(t) x_0 + gamma(t) z` from source data x_0 at t = 0 to data x_1 at t = 1, z standard Gaussian.

    variance: `gamma(t)^2`, 0 at both ends. It is kept squared because its rate is finite at the ends, where gamma's may not be.
    """

    alpha: Schedule
    beta: Schedule
    variance: Schedule

    def at(self, t: jax.Array, x0: jax.Array, x1: jax.Array, z: jax.Array) -> jax.Array:
        """The point x_t, all `(d,)`."""
        return self.alpha(t) * x1 + self.beta(t) * x0 + jnp.sqrt(self.variance(t)) * z

    def rates(self, t: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """`(alpha', beta', (gamma^2)' / 2)`; the last is gamma gamma', which multiplies `z / gamma`, minus the score in expectation."""
        one = jnp.ones_like(t)
        a, b, v = (jax.jvp(f, (t,), (one,))[1] for f in (self.alpha, self.beta, self.variance))
        return a, b, 0.5 * v

    def direct(self, t: jax.Array, x0: jax.Array, x1: jax.Array) -> jax.Array:
        """`alpha' x_1 + beta' x_0`, whose expectation given x_t is the velocity without its noise part."""
        d_alpha, d_beta, _ = self.rates(t)
        return d_alpha * x1 + d_beta * x0

    def velocity(self, t: jax.Array, direct: jax.Array, score: jax.Array) -> jax.Array:
        """The ODE's velocity b from E[direct | x_t] and the score of p_t: `direct - gamma gamma' score` (arXiv 2303.08797, eq. 2.10)."""
        return direct - self.rates(t)[2] * score


def interpolant(path: Path | None = None, variance: Schedule | None = None) -> Interpolant:
    """The interpolant whose x_1 and x_0 take the place of a path's data and noise: alpha and beta are its alpha and sigma.

    path: linear by default; it should end in 0 and 1, as `linear` and `trigonometric` do. variance: gamma^2, such as `brownian_variance()`
    or `sine_variance()`; none by default, which is flow matching between data sets (arXiv 2302.00482). Raises ValueError for a path whose
    alpha or sigma changes infinitely fast at an end, as `follmer`'s sigma does at t = 1: so would the points there.
    """
    path = linear() if path is None else path
    for t in (0.0, 1.0):
        if not path.is_finite_at(t):
            raise ValueError(
                f"path: alpha or sigma has an infinite rate at t = {t:g}, and so has a velocity learnt on it; accepted: linear(), trigonometric() "
                "or another with finite rates. Noise to data on follmer() is learnt as a denoiser instead: objectives.denoising."
            )
    return Interpolant(path.alpha, path.sigma, jnp.zeros_like if variance is None else variance)


def brownian_variance(scale: float = 1.0) -> Schedule:
    """`gamma^2 = scale t (1 - t)`: with the linear path, a Brownian bridge of that diffusion from x_0 to x_1."""
    checks.number("brownian_variance: scale", scale, least=0)
    return lambda t: scale * t * (1 - t)


def sine_variance(scale: float = 1.0) -> Schedule:
    """`gamma^2 = scale sin(pi t)^4`, a gamma that is smooth at both ends (arXiv 2303.08797, table 2)."""
    checks.number("sine_variance: scale", scale, least=0)
    return lambda t: scale * jnp.sin(jnp.pi * t) ** 4


class Truth(NamedTuple):
    """Functions `(params, x_t (d,), t, cond=None) -> (d,)`; params and cond are not used. log_prob gives a scalar in nats."""

    direct: Any
    velocity: Any
    score: Any
    log_prob: Any


def interpolant_mixture(between: Interpolant, source: tuple[ArrayLike, ...], target: tuple[ArrayLike, ...]) -> Truth:
    """The truth for two independent Gaussian mixtures, each `(weights (k,), means (k, d), sds (k,))`: what networks should have learnt.

    For every pair of components x_t is Gaussian around `alpha m_1 + beta m_0` with variance `(alpha s_1)^2 + (beta s_0)^2 + gamma^2`.
    """
    (w0, m0, s0), (w1, m1, s1) = ([np.asarray(a, np.float64) for a in side] for side in (source, target))
    first, second = (i.ravel() for i in np.indices((w0.size, w1.size)))
    constants = (w0[first] * w1[second], m0[first], s0[first, None], m1[second], s1[second, None])

    def components(x: jax.Array, t: jax.Array) -> Any:
        weights, m0, s0, m1, s1 = (jnp.asarray(c, x.dtype) for c in constants)
        alpha, beta = between.alpha(t), between.beta(t)
        d_alpha, d_beta, _ = between.rates(t)
        slope = (alpha * s1) ** 2 + (beta * s0) ** 2 + between.variance(t)
        standard = (x[None] - alpha * m1 - beta * m0) / slope
        direct = d_alpha * (m1 + alpha * s1**2 * standard) + d_beta * (m0 + beta * s0**2 * standard)
        logs = jnp.log(weights / jnp.sum(weights)) - 0.5 * jnp.sum(standard**2 * slope + jnp.log(2 * jnp.pi * slope), 1)
        return logs, direct, -standard

    def mean(x: jax.Array, t: jax.Array, i: int) -> jax.Array:
        found = components(x, t)
        return jax.nn.softmax(found[0]) @ found[i]

    def velocity(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        return between.velocity(t, mean(x, t, 1), mean(x, t, 2))

    return Truth(
        lambda params, x, t, cond=None: mean(x, t, 1),
        velocity,
        lambda params, x, t, cond=None: mean(x, t, 2),
        lambda params, x, t, cond=None: jax.nn.logsumexp(components(x, t)[0]),
    )
