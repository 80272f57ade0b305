"""Noise schedules against finite differences and the properties that their names promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import paths

PATHS = {
    "linear": paths.linear(),
    "vp_linear": paths.vp_linear(),
    "vp_cosine": paths.vp_cosine(),
    "edm": paths.edm(),
    "ve": paths.ve(),
    "trigonometric": paths.trigonometric(),
    "follmer": paths.follmer(),
}
over_paths = pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path in PATHS.items()])
TIMES = np.linspace(0.02, 0.98, 13)


@over_paths
def test_rates_are_the_slopes_of_the_schedules(path, x64):
    with x64():
        t, h = jnp.asarray(TIMES), 1e-6
        for rate, schedule in zip(path.rates(t), (path.alpha, path.sigma), strict=True):
            np.testing.assert_allclose(rate, (schedule(t + h) - schedule(t - h)) / (2 * h), rtol=1e-6, atol=1e-7)


@over_paths
def test_signal_grows_and_noise_falls_from_noise_to_data(path, x64):
    with x64():
        t = jnp.linspace(0.0, 1.0, 101)
        alpha, sigma = path.alpha(t), path.sigma(t)
        assert np.all(np.diff(alpha / jnp.maximum(sigma, 1e-12)) > 0)
        assert np.all(np.diff(alpha) >= 0) and np.all(np.diff(sigma) < 0)
        assert alpha[0] < 0.05 * sigma[0] and sigma[-1] < 0.02 * alpha[-1]


@over_paths
def test_the_point_on_the_path_has_the_stated_moments(path):
    t, x, z = jnp.asarray(0.3), jnp.asarray([1.0, -2.0]), jnp.asarray([0.5, 3.0])
    np.testing.assert_allclose(path.at(t, x, z), path.alpha(t) * x + path.sigma(t) * z, rtol=1e-6)


@over_paths
def test_diffusion_is_the_growth_of_variance_that_shrinking_does_not_explain(path, x64):
    """Noising is x_t = (alpha_t / alpha_s) x_s + noise; over a short time the noise's variance is g^2 times that time."""
    with x64():
        t, h = jnp.asarray(TIMES), 1e-6
        noisier, cleaner = t - h / 2, t + h / 2
        ratio = path.alpha(noisier) / path.alpha(cleaner)
        variance = path.sigma(noisier) ** 2 - (ratio * path.sigma(cleaner)) ** 2
        np.testing.assert_allclose(path.diffusion(t), variance / h, rtol=1e-4)


@pytest.mark.parametrize("name", ["vp_linear", "vp_cosine", "trigonometric", "follmer"])
def test_variance_is_preserved(name, x64):
    with x64():
        t = jnp.linspace(0.0, 1.0, 11)
        np.testing.assert_allclose(PATHS[name].alpha(t) ** 2 + PATHS[name].sigma(t) ** 2, 1, rtol=1e-12)


def test_vp_linear_has_a_linear_rate_of_noise(x64):
    """beta = -2 d log alpha / d tau is linear from 0.1 at the data to 20 at the noise (arXiv 2011.13456, eq. 33)."""
    with x64():
        path, last = paths.vp_linear(), 1e-4
        tau = jnp.linspace(last, 1.0, 9)
        t = (1 - tau) / (1 - last)
        beta = 2 * path.rates(t)[0] / path.alpha(t) / (1 - last)
        np.testing.assert_allclose(beta, 0.1 + tau * 19.9, rtol=1e-9)
        np.testing.assert_allclose(path.diffusion(t) / (1 - last), beta, rtol=1e-9)


def test_edm_steps_are_those_of_the_paper(x64):
    """sigma_i of arXiv 2206.00364, eq. 5, at N = 18."""
    with x64():
        i = np.arange(18)
        sigma = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
        np.testing.assert_allclose(paths.edm().sigma(jnp.linspace(0.0, 1.0, 18)), sigma, rtol=1e-10)


def test_linear_is_the_straight_line():
    t = jnp.linspace(0.0, 1.0, 5)
    np.testing.assert_allclose(jax.jit(jax.vmap(lambda t: jnp.stack(paths.linear().rates(t))))(t), np.tile([1.0, -1.0], (5, 1)))


@over_paths
def test_time_of_undoes_log_snr_and_stops_at_the_ends(path, x64):
    with x64():
        t = jnp.asarray(TIMES)
        np.testing.assert_allclose(path.log_snr(t), np.log(path.alpha(t) / path.sigma(t)), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(jax.jit(jax.vmap(path.time_of))(path.log_snr(t)), TIMES, rtol=1e-9)
        outside = jax.jit(jax.vmap(path.time_of))(jnp.asarray([-1e4, 1e4]))
        np.testing.assert_allclose(outside, [0.0, 1.0], atol=1e-9)


@over_paths
def test_the_ends_that_are_reached_are_known(path):
    reached = any(path is PATHS[name] for name in ("linear", "trigonometric", "follmer"))
    assert path.ends() == (reached, reached)
    assert jnp.isfinite(path.log_snr(jnp.asarray([0.0, 1.0]))).all()


def test_a_traced_schedule_is_taken_to_reach_neither_end():
    assert jax.jit(lambda a: jnp.asarray(paths.Path(lambda t: a * t, lambda t: 1 - a * t).ends()))(1.0).tolist() == [False, False]


def test_ve_is_geometric(x64):
    with x64():
        sigma = paths.ve(0.01, 50.0).sigma(jnp.linspace(0.0, 1.0, 9))
        np.testing.assert_allclose(sigma, np.geomspace(50.0, 0.01, 9), rtol=1e-10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: paths.vp_linear(beta_min=-1.0), r"beta_min=-1\.0"),
        (lambda: paths.vp_linear(30.0), "accepted: beta_min < beta_max"),
        (lambda: paths.vp_linear(last=0.0), r"last=0\.0"),
        (lambda: paths.vp_cosine(first=1.5), r"first=1\.5"),
        (lambda: paths.vp_cosine(last=np.nan), "last=nan"),
        (lambda: paths.edm(rho=0.0), r"rho=0\.0"),
        (lambda: paths.edm(sigma_min=100.0), "accepted: sigma_min < sigma_max"),
        (lambda: paths.ve(sigma_min=0.0), r"sigma_min=0\.0"),
        (lambda: paths.preconditioned(paths.edm(), None, 0.0), r"sigma_data=0\.0"),
        (lambda: paths.brownian_variance(-1.0), r"scale=-1\.0"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("first", [0.99, 0.9999, 1.0])
def test_the_cosine_path_has_no_negative_schedule_in_float32(first):
    """`cos(pi / 2)` in float32 is below zero, whose logarithm and root are NaN."""
    path, t = paths.vp_cosine(first=first), jnp.linspace(0, 1, 101)
    alpha, sigma = path.alpha(t), path.sigma(t)
    assert np.all(alpha >= 0) and np.all(np.diff(alpha) > 0) and np.isfinite(path.log_snr(t)).all()
    np.testing.assert_allclose(alpha, np.cos(0.5 * np.pi * (first + (0.002 - first) * np.linspace(0, 1, 101))), atol=1e-6)
    np.testing.assert_allclose(alpha**2 + sigma**2, 1, atol=1e-6)
    assert path.ends() == (first == 1.0, False)
