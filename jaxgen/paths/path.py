"""Noise schedules: alpha and sigma as functions of t in [0, 1], from noise to data."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

Schedule = Callable[[jax.Array], jax.Array]


class Path(NamedTuple):
    """`x_t = alpha(t) x + sigma(t) z`. `alpha` grows, `sigma` falls; `alpha(0)` is (nearly) 0 against `sigma(0)`."""

    alpha: Schedule
    sigma: Schedule

    def at(self, t: jax.Array, x: jax.Array, z: jax.Array) -> jax.Array:
        """The point `x_t` between the data `x` and the noise `z`, both `(d,)`."""
        return self.alpha(t) * x + self.sigma(t) * z

    def rates(self, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        """`(alpha'(t), sigma'(t))`."""
        one = jnp.ones_like(t)
        return jax.jvp(self.alpha, (t,), (one,))[1], jax.jvp(self.sigma, (t,), (one,))[1]

    def diffusion(self, t: jax.Array) -> jax.Array:
        """`g(t)^2` of the noising SDE with these marginals: `2 sigma^2 (alpha'/alpha - sigma'/sigma)` (arXiv 2011.13456, eq. 5, time reversed)."""
        alpha, sigma = self.alpha(t), self.sigma(t)
        d_alpha, d_sigma = self.rates(t)
        return 2 * sigma * (sigma * d_alpha / alpha - d_sigma)


def linear() -> Path:
    """Conditional optimal transport, `alpha = t`, `sigma = 1 - t` (arXiv 2210.02747, eq. 20 with sigma_min = 0)."""
    return Path(lambda t: t, lambda t: 1 - t)


def vp_linear(beta_min: float = 0.1, beta_max: float = 20.0, last: float = 1e-4) -> Path:
    """Variance preserving with linear beta (arXiv 2011.13456, eq. 33): `alpha^2 + sigma^2 = 1`.

    The noising time runs from 1 at t = 0 to `last` at t = 1, where sigma is about `sqrt(beta_min * last)` and the score still finite.
    """

    def log_alpha(t: jax.Array) -> jax.Array:
        tau = 1 - t * (1 - last)
        return -0.5 * tau * (beta_min + 0.5 * tau * (beta_max - beta_min))

    return Path(lambda t: jnp.exp(log_alpha(t)), lambda t: jnp.sqrt(-jnp.expm1(2 * log_alpha(t))))


def vp_cosine(first: float = 0.99, last: float = 0.002) -> Path:
    """Variance preserving with `alpha = cos(pi tau / 2)` (arXiv 2102.09672, eq. 17), tau from `first` at t = 0 to `last` at t = 1."""

    def angle(t: jax.Array) -> jax.Array:
        return 0.5 * jnp.pi * (first + t * (last - first))

    return Path(lambda t: jnp.cos(angle(t)), lambda t: jnp.sin(angle(t)))


def edm(sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> Path:
    """Variance exploding, `alpha = 1`, sigma on the rho-grid of arXiv 2206.00364, eq. 5: equal steps in t are that paper's steps."""
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return Path(jnp.ones_like, lambda t: (high + t * (low - high)) ** rho)
