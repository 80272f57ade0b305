"""The numbers that Gaussian samplers share, in closed form: the times of a grid, the posterior's deviation, what the last step keeps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import paths, transforms
from jaxgen.transforms.samplers.gaussian_chain import noising, posterior_sd
from jaxgen.transforms.samplers.grid_sampler import noise_levels


@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_a_grid_has_its_own_number_of_times_and_leaves_room_for_the_last_step(num_steps):
    """Where sigma(1) = 0 the last step goes from the last time to t = 1, as long as the others; else it starts there."""
    to_the_data = np.asarray(noise_levels(paths.linear(), num_steps, jnp.float32))
    np.testing.assert_allclose(to_the_data, np.arange(num_steps) / num_steps, rtol=1e-6)
    short_of_it = np.asarray(noise_levels(paths.vp_linear(), num_steps, jnp.float32))
    np.testing.assert_allclose(short_of_it, np.arange(num_steps) / max(num_steps - 1, 1), rtol=1e-6)


@pytest.mark.parametrize("path", [paths.vp_cosine(), paths.linear(), paths.edm()], ids=["vp_cosine", "linear", "edm"])
def test_the_posteriors_deviation_is_that_of_the_joint_gaussian(path, x64):
    """Given x, `x_s = alpha_s x + sigma_s z` and `x_t = ratio x_s + noise e`: Var(x_s | x_t) and the regression on x_t by linear algebra."""
    with x64():
        t, s = jnp.asarray(0.3), jnp.asarray(0.55)
        ratio, noise = (float(a) for a in noising(path, t, s))
        sigma_t, sigma_s = float(path.sigma(t)), float(path.sigma(s))
        np.testing.assert_allclose([ratio * path.alpha(s), (ratio * sigma_s) ** 2 + noise**2], [path.alpha(t), sigma_t**2], rtol=1e-10)
        variance = sigma_s**2 - (ratio * sigma_s**2) ** 2 / sigma_t**2
        for eta in (1.0, 0.4):
            sd, keep = (float(a) for a in posterior_sd(path, t, s, eta))
            np.testing.assert_allclose(sd, eta * np.sqrt(variance), rtol=1e-9)
            # The marginal of x_s given x keeps its deviation, whatever eta is.
            np.testing.assert_allclose(keep**2 + sd**2, sigma_s**2, rtol=1e-10)
        np.testing.assert_allclose(posterior_sd(path, t, s)[1], ratio * sigma_s**2 / sigma_t, rtol=1e-9)


@pytest.mark.parametrize("path", [paths.vp_cosine(), paths.edm(), paths.linear()], ids=["vp_cosine", "edm", "linear"])
def test_the_last_step_keeps_the_noising_steps_deviation(path, no_params, x64):
    """The output moves with the last increment by `noise / sqrt(ratio^2 + noise^2)`, which is not small, whatever eta is."""
    with x64():
        num, prediction = 4, paths.mixture_prediction(path, [1.0], [[0.3]], 1.0)
        ratio, noise = (float(a) for a in noising(path, jnp.asarray(1 - 1 / num), jnp.asarray(1.0)))
        zero = {"x0": jnp.zeros(1), "increments": jnp.zeros((num, 1))}
        for eta in (1.0, 0.5):
            sampler = transforms.ancestral(no_params, prediction, num, eta=eta)
            slope = jax.jit(jax.jacrev(lambda z, sampler=sampler: sampler.forward((), z)))(zero)["increments"][0, -1, 0]
            np.testing.assert_allclose(slope, noise / np.sqrt(ratio**2 + noise**2), rtol=1e-9)
