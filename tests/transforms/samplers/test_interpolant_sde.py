"""The SDE between two data sets with the closed-form truth of two mixtures as its networks: every diffusion ends in the target."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, paths, transforms

SOURCE = ([0.4, 0.6], [[0.0, 1.0], [0.5, -1.0]], [0.5, 0.4])
TARGET = ([0.3, 0.7], [[-1.0, 0.5], [1.0, -0.5]], [0.3, 0.4])
BETWEEN = paths.interpolant(variance=paths.brownian_variance(0.8))
N, STEPS = 4_000, 150


def no_params(key, z, cond=None):
    return ()


def drawn(mixture, rng):
    weights, means, sds = (np.array(a) for a in mixture)
    i = rng.choice(2, N, p=weights)
    return means[i] + sds[i, None] * rng.standard_normal((N, 2))


def noise(areas):
    steps = bases.normal((STEPS, 2))
    return bases.joint(
        {"x0": bases.data_set(drawn(SOURCE, np.random.default_rng(0))), "increments": steps} | ({"areas": steps} if areas else {})
    )


def sampler(method, diffusion=None, **options):
    """With `reverse`, of the interpolant from TARGET to SOURCE, which therefore ends in TARGET too."""
    ends = (TARGET, SOURCE) if options else (SOURCE, TARGET)
    truth = paths.interpolant_mixture(BETWEEN, *ends)
    return transforms.interpolant_sde(no_params, BETWEEN, truth.velocity, truth.score, STEPS, diffusion=diffusion, method=method, **options)


@pytest.mark.parametrize(
    ("method", "diffusion", "options"),
    [
        ("euler_maruyama", None, {}),
        ("euler_maruyama", lambda t: 0.5 + 0 * t, {}),
        ("sra1", None, {}),
        ("sra1", lambda t: 0.5 + 0 * t, {}),
        ("euler_maruyama", lambda t: 0.2 + 0.6 * t, {"reverse": True}),
    ],
    ids=["euler, gamma squared", "euler, constant", "sra1, gamma squared", "sra1, constant", "back"],
)
def test_the_end_is_the_target(method, diffusion, options, key):
    """Mean, covariance and a mode's share within Monte Carlo error; a wrong sign or half the drift's score would widen or shift them."""
    z = noise(method == "sra1").sample(seed=key, sample_shape=(N,))
    x = np.asarray(jax.jit(jax.vmap(lambda z: sampler(method, diffusion, **options).forward((), z)))(z))
    weights, means, sds = (np.array(a) for a in TARGET)
    mean = weights @ means
    covariance = (weights * sds**2).sum() * np.eye(2) + (means - mean).T @ (weights[:, None] * (means - mean))
    np.testing.assert_allclose(x.mean(0), mean, atol=4 * np.sqrt(np.diag(covariance).max() / N) + 0.01)
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=0.06)
    within = np.array([x[x[:, 0] - x[:, 1] / 2 > 0].std(0), x[x[:, 0] - x[:, 1] / 2 < 0].std(0)])
    np.testing.assert_allclose(within, np.tile(sds[::-1, None], 2), atol=0.035)


def test_without_diffusion_it_is_eulers_method_on_the_velocity(key):
    z = noise(False).sample(seed=key)
    x, velocity = np.asarray(z["x0"]), jax.jit(paths.interpolant_mixture(BETWEEN, SOURCE, TARGET).velocity)
    for t in np.arange(STEPS, dtype=np.float32) / STEPS:
        x = x + np.asarray(velocity((), x, t)) / STEPS
    forward = jax.jit(sampler("euler_maruyama", jnp.zeros_like).forward)
    np.testing.assert_allclose(forward((), z), x, rtol=1e-4, atol=1e-5)


def test_bad_arguments_are_named():
    truth = paths.interpolant_mixture(BETWEEN, SOURCE, TARGET)
    for options, message in (({"method": "heun"}, "method='heun'"), ({"num_steps": 0}, "num_steps=0")):
        with pytest.raises(ValueError, match=message):
            transforms.interpolant_sde(no_params, BETWEEN, truth.velocity, truth.score, **{"num_steps": 3} | options)
    with pytest.raises(ValueError, match="has no noise"):
        transforms.interpolant_sde(no_params, paths.interpolant(), truth.velocity, truth.score, 3)
