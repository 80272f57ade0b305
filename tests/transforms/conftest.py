"""A diffusion whose data are Gaussian: its perfect network, and what every sampler of it should then give."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import pytest

from jaxgen import paths


class GaussianDiffusion(NamedTuple):
    """The perfect prediction for data N(mean, sd^2) on a path, with `bend` times sin(3x) added to make it wrong."""

    path: Any
    prediction: Any
    mean: float
    sd: float

    def moments(self, t):
        """Mean and standard deviation of x_t."""
        alpha = self.path.alpha(t)
        return alpha * self.mean, jnp.sqrt(alpha**2 * self.sd**2 + self.path.sigma(t) ** 2)

    def transported(self, z):
        """Where the probability-flow ODE takes `sigma(0) z`: affine, as it keeps the number of standard deviations from the mean."""
        (m0, s0), (m1, s1) = self.moments(jnp.zeros(())), self.moments(jnp.ones(()))
        return m1 + s1 / s0 * (self.path.sigma(jnp.zeros(())) * z - m0), jnp.log(s1 / s0 * self.path.sigma(jnp.zeros(())))


@pytest.fixture
def gaussian_diffusion():
    """`gaussian_diffusion(path, mean, sd, bend=0.)`."""

    def make(path, mean=0.7, sd=0.5, bend=0.0):
        def eps(params, x, t, cond=None):
            alpha, sigma = path.alpha(t), path.sigma(t)
            return sigma / (alpha**2 * sd**2 + sigma**2) * (x - alpha * mean) + bend * jnp.sin(3 * x)

        return GaussianDiffusion(path, paths.prediction(path, eps, "eps"), mean, sd)

    return make


@pytest.fixture
def no_params():
    """The `init` of a transform without params."""
    return lambda key, z, cond=None: ()
