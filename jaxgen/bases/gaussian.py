"""Gaussians with fixed moments and their mixtures: bases whose location and scale are given, not learned."""

from typing import Any

import distrax
import jax.numpy as jnp
import numpy as np

from jaxgen.model import Base


def diagonal_gaussian(loc: Any, scale: Any) -> Base:
    """Independent Gaussians N(loc_i, scale_i^2) over the shape that `loc` and `scale` (standard deviations) broadcast to.

    Both are fixed. A learnable one is a transform in front of `normal`: `transforms.diagonal_affine`. Raises ValueError unless `loc` is
    finite and `scale` finite and positive.
    """
    loc, scale = np.broadcast_arrays(_finite("loc", loc), _positive("scale", scale))
    return distrax.Independent(distrax.Normal(jnp.asarray(loc), jnp.asarray(scale)), reinterpreted_batch_ndims=loc.ndim)


def full_gaussian(loc: Any, covariance: Any) -> Base:
    """The Gaussian N(loc, covariance) over `(d,)`, `covariance` `(d, d)`.

    Both are fixed. A learnable one is a transform in front of `normal`: `transforms.triangular_affine`. Raises ValueError unless the
    covariance is symmetric and positive definite.
    """
    loc, covariance = _finite("loc", loc), _finite("covariance", covariance)
    if loc.ndim != 1 or covariance.shape != (loc.size, loc.size):
        raise ValueError(f"full_gaussian: loc of shape {loc.shape} and covariance of shape {covariance.shape}; accepted: (d,) and (d, d).")
    # The factorisation reads one triangle only, so an asymmetric matrix would pass unseen.
    if not np.allclose(covariance, covariance.T, rtol=1e-6, atol=0):
        raise ValueError(f"full_gaussian: covariance={covariance.tolist()} is not symmetric.")
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise ValueError(f"full_gaussian: covariance={covariance.tolist()} is not positive definite.") from None
    return distrax.MultivariateNormalTri(jnp.asarray(loc), jnp.asarray(lower))


def gaussian_mixture(weights: Any, means: Any, scales: Any) -> Base:
    """A mixture of K diagonal Gaussians: `weights` `(K,)`, `means` `(K, *event)`, standard deviations `scales` broadcasting to `means`.

    The weights are normalised to one. Raises ValueError for a weight or scale that is not positive or shapes that disagree.
    """
    weights, means = _positive("weights", weights), _finite("means", means)
    if weights.ndim != 1 or means.ndim < 1 or len(means) != len(weights):
        raise ValueError(f"gaussian_mixture: weights of shape {weights.shape}, means of shape {means.shape}; accepted: (K,), (K, *event).")
    try:
        scales = np.broadcast_to(_positive("scales", scales), means.shape)
    except ValueError as error:
        raise ValueError(f"gaussian_mixture: scales: {error}; accepted: positive, broadcasting to {means.shape}.") from None
    components = distrax.Independent(distrax.Normal(jnp.asarray(means), jnp.asarray(scales)), reinterpreted_batch_ndims=means.ndim - 1)
    return distrax.MixtureSameFamily(distrax.Categorical(logits=jnp.asarray(np.log(weights / weights.sum()))), components)


def _finite(name: str, value: Any) -> np.ndarray:
    value = np.asarray(value, np.float64)
    if not np.isfinite(value).all():
        raise ValueError(f"{name}={value.tolist()}; accepted: finite numbers.")
    return value


def _positive(name: str, value: Any) -> np.ndarray:
    value = _finite(name, value)
    if not (value > 0).all():
        raise ValueError(f"{name}={value.tolist()}; accepted: positive numbers.")
    return value
