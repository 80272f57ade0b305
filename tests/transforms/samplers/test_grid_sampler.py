"""Few-step samplers: their order of convergence to the ODE they discretise, their cost, and what their density is said to be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import paths, transforms
from jaxgen.transforms.samplers.grid_sampler import noise_levels


@pytest.mark.parametrize(("name", "order", "per_step"), [("ddim", 1, 1), ("euler", 1, 1), ("heun", 2, 2), ("dpm_solver", 2, 1)])
@pytest.mark.parametrize("path", [paths.vp_cosine(last=0.2), paths.edm(0.2, 10.0)], ids=["vp_cosine", "edm"])
def test_order_of_convergence_and_cost(name, order, per_step, path, gaussian_diffusion, no_params, x64):
    """Against the closed form of the ODE at the last noise level, followed by the denoiser."""
    with x64():
        truth, z, errors = gaussian_diffusion(path), jnp.asarray([0.8, -1.4]), []
        expected = truth.prediction.denoiser((), truth.transported(z)[0], jnp.ones(()))
        for num_steps in (65, 129):
            sampler = getattr(transforms, name)(no_params, truth.prediction, num_steps)
            errors.append(float(jnp.abs(jax.jit(sampler.forward)((), z) - expected).max()))
            assert sampler.hooks.nfe((), z) == per_step * (num_steps - 1) + 1
            assert jax.eval_shape(sampler.hooks.stages, (), z).shape == (num_steps, 2)
        assert abs(np.log2(errors[0] / errors[1]) - order) < 0.25, errors


def test_the_density_is_labelled_as_the_odes(gaussian_diffusion, no_params):
    sampler = transforms.ddim(no_params, gaussian_diffusion(paths.vp_cosine()).prediction, 7)
    assert sampler.proxy is not None and sampler.one.inverse is None and sampler.kind is sampler.proxy.kind
    assert sampler.forward_and_log_det is None and sampler.inverse is not None
    with pytest.raises(ValueError, match="num_steps=0"):
        transforms.ddim(no_params, gaussian_diffusion(paths.vp_cosine()).prediction, 0)


def test_the_denoiser_is_asked_where_there_is_noise_left():
    """The last of equal steps to sigma = 0 is the denoiser's own; a path that keeps noise to the end is gone along to t = 1."""
    np.testing.assert_allclose(noise_levels(paths.linear(), 4, jnp.float32), [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(noise_levels(paths.edm(), 5, jnp.float32), [0, 0.25, 0.5, 0.75, 1])
    for path in (paths.linear(), paths.edm()):
        np.testing.assert_array_equal(noise_levels(path, 1, jnp.float32), [0])


def test_one_step_is_the_denoiser(gaussian_diffusion, no_params):
    truth, z = gaussian_diffusion(paths.edm()), jnp.asarray([0.8, -1.4])
    x = transforms.heun(no_params, truth.prediction, 1).forward((), z)
    np.testing.assert_allclose(x, truth.prediction.denoiser((), truth.path.sigma(jnp.zeros(())) * z, jnp.zeros(())), rtol=1e-5)
