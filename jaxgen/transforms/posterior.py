"""Diagonal Gaussians that a network puts out: soft limits of their scale, a draw with its density, and the divergence of two."""

import jax
import jax.numpy as jnp

MAX_LOG_SCALE = 7.0


def halves(h: jax.Array, max_log_scale: float = MAX_LOG_SCALE) -> tuple[jax.Array, jax.Array]:
    """Means and log scales `(d,)` from a network's `(2 d,)`; log scales are held softly within `max_log_scale` of 0."""
    mean, raw = jnp.split(h, 2)
    # The identity for all but extreme values, at which no scale may overflow.
    above = jax.nn.softplus(raw + max_log_scale) - max_log_scale
    return mean, max_log_scale - jax.nn.softplus(max_log_scale - above)


def draw(key: jax.Array, mean: jax.Array, log_scale: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One draw and its log density, both differentiable in mean and scale."""
    noise = jax.random.normal(key, mean.shape, mean.dtype)
    return mean + jnp.exp(log_scale) * noise, jnp.sum(-0.5 * noise**2 - 0.5 * jnp.log(2 * jnp.pi) - log_scale)


def divergence(mean: jax.Array, log_scale: jax.Array) -> jax.Array:
    """`KL(N(mean, exp(2 log_scale)) || N(0, I))` in nats, in closed form (arXiv 1312.6114, appendix B)."""
    return 0.5 * jnp.sum(mean**2 + jnp.exp(2 * log_scale) - 1 - 2 * log_scale)
