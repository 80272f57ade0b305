"""Diagonal Gaussians that a network puts out: soft limits of their scale, a draw with its density, and a divergence."""

import jax
import jax.numpy as jnp

from jaxgen.types import Key

MAX_LOG_SCALE = 7.0


def halves(h: jax.Array, max_log_scale: float = MAX_LOG_SCALE) -> tuple[jax.Array, jax.Array]:
    """Split a network's output into means and log standard deviations.

    Args:
        h: The output `(2 d,)`, means first.
        max_log_scale: The bound on the log standard deviation. It is held softly within `max_log_scale` of 0.

    Returns:
        Means `(d,)` and log standard deviations `(d,)`.
    """
    mean, raw = jnp.split(h, 2)
    # The identity for all but extreme values, at which the standard deviation would overflow.
    above = jax.nn.softplus(raw + max_log_scale) - max_log_scale
    return mean, max_log_scale - jax.nn.softplus(max_log_scale - above)


def draw(key: Key, mean: jax.Array, log_scale: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Draw from a diagonal Gaussian; the draw and its log density are differentiable in mean and standard deviation.

    Args:
        key: A random key.
        mean: Means `(d,)`.
        log_scale: Log standard deviations `(d,)`.

    Returns:
        The draw `(d,)` and its log density in nats, a scalar.
    """
    noise = jax.random.normal(key, mean.shape, mean.dtype)
    return mean + jnp.exp(log_scale) * noise, jnp.sum(-0.5 * noise**2 - 0.5 * jnp.log(2 * jnp.pi) - log_scale)


def divergence(mean: jax.Array, log_scale: jax.Array) -> jax.Array:
    """Return the Kullback-Leibler divergence of a diagonal Gaussian from the standard one, in closed form.

    Args:
        mean: Means `(d,)`.
        log_scale: Log standard deviations `(d,)`.

    Returns:
        `KL(N(mean, exp(2 log_scale)) || N(0, I))` in nats, a scalar.

    Source: arXiv 1312.6114, appendix B.
    """
    return 0.5 * jnp.sum(mean**2 + jnp.exp(2 * log_scale) - 1 - 2 * log_scale)
