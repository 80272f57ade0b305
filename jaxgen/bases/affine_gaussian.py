"""Gaussians as affine maps of quantiles of the standard Gaussian; a file of its own, because distrax takes long to import."""

from typing import Any, cast

import distrax
import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri


class DiagonalGaussian(distrax.Independent):
    """Independent Gaussians with a quantile function."""

    def quantile(self, value: jax.Array) -> jax.Array:
        """Return noise whose law is this one if `value`, which has its shape, is uniform on (0, 1)."""
        factors: Any = self.distribution
        return factors.loc + factors.scale * ndtri(value)


class FullGaussian(distrax.MultivariateNormalTri):
    """A Gaussian with a covariance, with quantiles of each coordinate given those before it."""

    def quantile(self, value: jax.Array) -> jax.Array:
        """Return noise whose law is this one if `value`, which has its shape, is uniform on (0, 1)."""
        # One matrix times each row, whatever the number of leading axes.
        return cast(jax.Array, self.loc) + jnp.einsum("ij,...j->...i", cast(jax.Array, self.scale_tri), ndtri(value))
