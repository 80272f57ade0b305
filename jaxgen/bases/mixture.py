"""The class behind `gaussian_mixture`, in a file of its own so that only who calls that function imports distrax."""

from typing import Any

import distrax
import jax
import jax.numpy as jnp

_FAR = 1e10


class GaussianMixture(distrax.MixtureSameFamily):
    """A mixture of diagonal Gaussians whose gradient is finite where the log density of every component overflows to -inf."""

    def log_prob(self, value: jax.Array) -> jax.Array:
        components: Any = self.components_distribution
        mixture: Any = self.mixture_distribution
        normal = components.distribution
        axes = tuple(range(-(normal.loc.ndim - 1), 0))
        x = jnp.expand_dims(jnp.asarray(value), -normal.loc.ndim)
        # The quotient by a squared scale has to be finite; held so, a point keeps the derivative of the identity.
        largest = jnp.finfo(x.dtype).max / 8 * jnp.minimum(1, jnp.min(normal.scale)).astype(x.dtype) ** 2
        x = x + jax.lax.stop_gradient(jnp.clip(x, -largest, largest) - x)
        log_weights = jax.nn.log_softmax(mixture.logits)
        logs = log_weights + jnp.sum(normal.log_prob(x), axes)
        far = jnp.all(jnp.isneginf(logs), -1)
        # The components that lead on the way out: of the point at a distance whose square is finite.
        size = jnp.max(jnp.abs(x), axes, keepdims=True)
        near = jax.lax.stop_gradient(x * jnp.where(size > _FAR, _FAR / size, 1))
        posterior = jax.nn.softmax(log_weights - 0.5 * jnp.sum(((near - normal.loc) / normal.scale) ** 2, axes))
        led = jnp.sum(jnp.where(posterior > 0, posterior * logs, 0), -1)
        return jnp.where(far, led, jax.nn.logsumexp(jnp.where(far[..., None], 0, logs), -1))
