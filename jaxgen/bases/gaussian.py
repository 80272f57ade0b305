"""Gaussians with fixed moments and their mixtures: bases whose location and scale are given, not learned."""

from typing import Any, cast

import distrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from numpy.typing import ArrayLike

from jaxgen.model import Base

_FAR = 1e10


def diagonal_gaussian(loc: ArrayLike, scale: ArrayLike) -> Base:
    """Build independent Gaussians N(loc_i, scale_i^2) over the shape to which `loc` and `scale` broadcast.

    Both are fixed. A learnable Gaussian is a transform in front of `normal`: `transforms.diagonal_affine`.

    Args:
        loc: The means.
        scale: The standard deviations.

    Raises:
        ValueError: `loc` is not finite, or `scale` is not finite and positive.

    >>> bool(np.isclose(diagonal_gaussian([1.0, 1.0], 2.0).log_prob(jnp.ones(2)), -np.log(8 * np.pi)))
    True
    """
    loc, scale = np.broadcast_arrays(_finite("diagonal_gaussian: loc", loc), _positive("diagonal_gaussian: scale", scale))
    # distrax names an array type of its own, which type checkers do not take for JAX's.
    return cast(Base, _Diagonal(distrax.Normal(jnp.asarray(loc), jnp.asarray(scale)), reinterpreted_batch_ndims=loc.ndim))


def full_gaussian(loc: ArrayLike, covariance: ArrayLike) -> Base:
    """Build the Gaussian N(loc, covariance) over `(d,)`.

    Both moments are fixed. A learnable Gaussian is a transform in front of `normal`: `transforms.triangular_affine`.

    Args:
        loc: The mean `(d,)`.
        covariance: The covariance `(d, d)`, symmetric and positive definite.

    Raises:
        ValueError: The shapes disagree, a number is not finite, or the covariance is not symmetric and positive definite.

    >>> base = full_gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 4.0]])
    >>> bool(np.isclose(base.log_prob(jnp.zeros(2)), -np.log(4 * np.pi)))
    True
    """
    loc, covariance = _finite("full_gaussian: loc", loc), _finite("full_gaussian: covariance", covariance)
    if loc.ndim != 1 or covariance.shape != (loc.size, loc.size):
        raise ValueError(f"full_gaussian: loc of shape {loc.shape} and covariance of shape {covariance.shape}; accepted: (d,) and (d, d).")
    # The factorisation reads one triangle only, so an asymmetric matrix would pass unseen.
    if not np.allclose(covariance, covariance.T, rtol=1e-6, atol=0):
        raise ValueError(f"full_gaussian: covariance={covariance.tolist()}; accepted: a symmetric matrix.")
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise ValueError(f"full_gaussian: covariance={covariance.tolist()}; accepted: a positive definite matrix.") from None
    return cast(Base, _Full(jnp.asarray(loc), jnp.asarray(lower)))


def gaussian_mixture(weights: ArrayLike, means: ArrayLike, scales: ArrayLike) -> Base:
    """Build a mixture of K Gaussians with diagonal covariances.

    Args:
        weights: Positive weights `(K,)`, which are normalised to one.
        means: The means `(K, *event)`.
        scales: The standard deviations, which broadcast to the shape of `means`.

    Raises:
        ValueError: A weight or a scale is not positive, a number is not finite, or the shapes disagree.

    >>> base = gaussian_mixture([1.0, 1.0], [[-3.0], [3.0]], 1.0)
    >>> bool(base.log_prob(jnp.asarray([3.0])) == base.log_prob(jnp.asarray([-3.0])))
    True
    """
    weights, means = _positive("gaussian_mixture: weights", weights), _finite("gaussian_mixture: means", means)
    if weights.ndim != 1 or means.ndim < 1 or len(means) != len(weights):
        raise ValueError(f"gaussian_mixture: weights of shape {weights.shape}, means of shape {means.shape}; accepted: (K,), (K, *event).")
    try:
        scales = np.broadcast_to(_positive("gaussian_mixture: scales", scales), means.shape)
    except ValueError:
        raise ValueError(f"gaussian_mixture: scales={scales!r}; accepted: positive numbers that broadcast to {means.shape}.") from None
    components = distrax.Independent(distrax.Normal(jnp.asarray(means), jnp.asarray(scales)), reinterpreted_batch_ndims=means.ndim - 1)
    return _Mixture(distrax.Categorical(logits=jnp.asarray(np.log(weights / weights.sum()))), components)


class _Diagonal(distrax.Independent):
    """Independent Gaussians, which are affine maps of quantiles of the standard Gaussian."""

    def quantile(self, value: jax.Array) -> jax.Array:
        factors: Any = self.distribution
        return factors.loc + factors.scale * ndtri(value)


class _Full(distrax.MultivariateNormalTri):
    """A Gaussian with a covariance, an affine map of quantiles of the standard Gaussian."""

    def quantile(self, value: jax.Array) -> jax.Array:
        # One matrix times each row, whatever the number of leading axes.
        return cast(jax.Array, self.loc) + jnp.einsum("ij,...j->...i", cast(jax.Array, self.scale_tri), ndtri(value))


class _Mixture(distrax.MixtureSameFamily):
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


def _finite(name: str, value: ArrayLike) -> np.ndarray:
    array = np.asarray(value, np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}={array.tolist()}; accepted: finite numbers.")
    return array


def _positive(name: str, value: ArrayLike) -> np.ndarray:
    array = _finite(name, value)
    if not (array > 0).all():
        raise ValueError(f"{name}={array.tolist()}; accepted: positive numbers.")
    return array
