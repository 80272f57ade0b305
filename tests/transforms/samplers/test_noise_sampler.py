"""Single steps of the stochastic samplers against their papers' formulas, for data that are all at zero: there every step is linear."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import paths, transforms
from jaxgen.transforms.samplers.noise_sampler import sra1_step

PATH, X0 = paths.edm(0.1, 10.0), np.array([0.8, -1.4])
AT_ZERO = paths.prediction(PATH, lambda params, x, t, cond: jnp.zeros_like(x), "denoiser")


def no_params(key, z, cond=None):
    return ()


def first_stages(sampler, increments):
    return sampler.hooks.stages((), {"x0": jnp.asarray(X0), "increments": jnp.asarray(increments)})


def levels(num_steps):
    return np.asarray(PATH.sigma(jnp.linspace(0.0, 1.0, num_steps)))


def test_a_langevin_step_is_that_of_its_step_size(x64):
    """x + e score + sqrt(2 e) z with e = 2 (snr sigma)^2 and the score -x / sigma^2 (arXiv 1907.05600, algorithm 1)."""
    with x64():
        snr, sigma, z = 0.2, levels(3), np.random.default_rng(0).standard_normal((4, 2))
        e, x = 2 * (snr * sigma[1]) ** 2, sigma[0] * X0
        for increment in z[:2]:
            x = x - e * x / sigma[1] ** 2 + np.sqrt(2 * e) * increment
        found = first_stages(transforms.langevin(no_params, AT_ZERO, 3, num_per_level=2, snr=snr), z)
        np.testing.assert_allclose(found[0], x, rtol=1e-9)


def test_a_predictor_step_is_the_posteriors_and_a_langevin_step_follows(x64):
    with x64():
        snr, sigma, z = 0.2, levels(3), np.random.default_rng(0).standard_normal((4, 2))
        ratio, e = (sigma[1] / sigma[0]) ** 2, 2 * (snr * sigma[1]) ** 2
        x = ratio * sigma[0] * X0 + sigma[1] * np.sqrt(1 - ratio) * z[0]
        x = x - e * x / sigma[1] ** 2 + np.sqrt(2 * e) * z[1]
        found = first_stages(transforms.predictor_corrector(no_params, AT_ZERO, 3, snr=snr), z)
        np.testing.assert_allclose(found[0], x, rtol=1e-9)


@pytest.mark.parametrize(("churn", "levels_with", "gain"), [
    (0.6, (0.0, np.inf), 0.15), (40.0, (0.0, np.inf), np.sqrt(2) - 1), (0.6, (9.0, np.inf), 0.0), (0.6, (0.0, 0.2), 0.0),
])  # fmt: skip
def test_churn_raises_the_noise_level_within_its_bounds(churn, levels_with, gain, x64):
    """arXiv 2206.00364, algorithm 2, lines 4 to 6; from the raised level the ODE for data at zero goes straight to zero."""
    with x64():
        low, high = levels_with
        sampler = transforms.edm_stochastic(no_params, AT_ZERO, 4, churn=churn, noise=1.3, min_level=low, max_level=high)
        sigma, z = levels(4), np.random.default_rng(0).standard_normal((3, 2))
        raised = (1 + gain) * sigma[1]
        x = sigma[1] * X0 + 1.3 * np.sqrt(raised**2 - sigma[1] ** 2) * z[1]
        found = first_stages(sampler, z)
        # Noise is not raised above the path's first level, so the first step is the ODE's alone.
        np.testing.assert_allclose(found[0], sigma[1] * X0, rtol=1e-9)
        np.testing.assert_allclose(found[1], sigma[2] / raised * x, rtol=1e-7)


def test_an_sra1_step_is_its_tableaus(x64):
    """Roessler 2010, table 6.1, summed as its scheme (4.2) is written, with a g that changes over the step."""
    a0, b0, weights, c0 = np.array([[0, 0], [3 / 4, 0]]), np.array([[0, 0], [3 / 2, 0]]), np.array([1 / 3, 2 / 3]), np.array([0, 3 / 4])
    c1, beta1, beta2 = np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.array([-1.0, 1.0])
    rate, deviation = lambda x, t: np.sin(3 * x) - t, lambda t: 0.5 + 2 * t**2
    x, t, h, (increment, area) = X0, 0.3, 0.2, np.random.default_rng(0).standard_normal((2, 2))
    dw = np.sqrt(h) * increment
    integral_over_h = dw / 2 + np.sqrt(h / 12) * area
    stages = np.stack([x, x])
    for i in range(2):
        rates = np.stack([rate(stages[j], t + c0[j] * h) for j in range(2)])
        noise = sum(b0[i, j] * deviation(t + c1[j] * h) * integral_over_h for j in range(2))
        stages[i] = x + h * a0[i] @ rates + noise
    rates = np.stack([rate(stages[j], t + c0[j] * h) for j in range(2)])
    expected = x + h * weights @ rates + sum((beta1[j] * dw + beta2[j] * integral_over_h) * deviation(t + c1[j] * h) for j in range(2))
    with x64():
        given = map(jnp.asarray, (x, t, h, increment, area))
        found = sra1_step(lambda x, t: jnp.sin(3 * x) - t, lambda t: (0.5 + 2 * t**2) ** 2, *given)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
