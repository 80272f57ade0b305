"""Gaussians with fixed moments and their mixtures: bases whose location and scale are given, not learned."""

from typing import cast

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxgen.model import Base


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
    import distrax

    from jaxgen.bases.affine_gaussian import DiagonalGaussian

    # distrax names an array type of its own, which type checkers do not take for JAX's.
    return cast(Base, DiagonalGaussian(distrax.Normal(jnp.asarray(loc), jnp.asarray(scale)), reinterpreted_batch_ndims=loc.ndim))


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
    from jaxgen.bases.affine_gaussian import FullGaussian

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
    return cast(Base, FullGaussian(jnp.asarray(loc), jnp.asarray(lower)))


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
    import distrax

    from jaxgen.bases.mixture import GaussianMixture

    components = distrax.Independent(distrax.Normal(jnp.asarray(means), jnp.asarray(scales)), reinterpreted_batch_ndims=means.ndim - 1)
    return GaussianMixture(distrax.Categorical(logits=jnp.asarray(np.log(weights / weights.sum()))), components)


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
