"""Guidance with Gaussian data, where the guided score and the posterior are in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import paths

PATHS = {"linear": paths.linear(), "vp_cosine": paths.vp_cosine(), "edm": paths.edm()}
over_paths = pytest.mark.parametrize("name", list(PATHS))
M, S = np.array([[-1.0, 0.5], [1.0, -0.5]]), np.array([0.3, 0.6])
X, T = [0.4, -0.3], 0.6


@over_paths
def test_the_guided_score_is_that_of_the_product_of_powers(name, x64):
    """grad log [p_t(x | c)^w p_t(x)^(1 - w)] with both Gaussian; outside the interval it is the condition's own."""
    with x64():
        path, t, x = PATHS[name], jnp.asarray(T), jnp.asarray(X)
        classes = paths.mixture_prediction(path, [1.0, 1.0], M, S)
        one, other = jnp.asarray([1.0, 0.0]), jnp.asarray([0.0, 1.0])
        alone = [-(x - path.alpha(t) * m) / ((path.alpha(t) * s) ** 2 + path.sigma(t) ** 2) for m, s in zip(M, S, strict=True)]
        within = paths.guided(classes, 2.5, null_cond=other, interval=(0.5, 0.7)).score
        np.testing.assert_allclose(jax.jit(within)((), x, t, one), 2.5 * alone[0] - 1.5 * alone[1], rtol=1e-8)
        outside = paths.guided(classes, 2.5, null_cond=other, interval=(0.7, 1.0)).score
        np.testing.assert_allclose(jax.jit(outside)((), x, t, one), alone[0], rtol=1e-8)
        weak = paths.mixture_prediction(path, [1.0], M[1:], S[1:])
        auto = paths.guided(classes, 2.5, null_cond=[1.0], weak=weak).score
        np.testing.assert_allclose(jax.jit(auto)((), x, t, one), 2.5 * alone[0] - 1.5 * alone[1], rtol=1e-8)


@over_paths
@pytest.mark.parametrize(("covariance", "sds"), [("jacobian", [0.5, 1.3]), ("isotropic", [0.8, 0.8])])
def test_the_posterior_of_gaussian_data_is_exact(name, covariance, sds, x64):
    """Data N(m, diag s^2) given y = A x + noise are N(mu, C); their denoiser on the path follows from the joint Gaussian of x and x_t."""
    with x64():
        path, t, x = PATHS[name], jnp.asarray(T), jnp.asarray(X)
        a, y, noise, mean, prior = np.array([[1.0, -0.5]]), np.array([0.9]), 0.2, np.array([0.7, -1.0]), np.diag(np.square(sds))
        gain = prior @ a.T @ np.linalg.inv(a @ prior @ a.T + noise**2 * np.eye(1))
        mu, cov = mean + gain @ (y - a @ mean), prior - gain @ a @ prior
        alpha, sigma = float(path.alpha(t)), float(path.sigma(t))
        expected = mu + alpha * cov @ np.linalg.solve(alpha**2 * cov + sigma**2 * np.eye(2), np.asarray(x) - alpha * mu)
        data = paths.mixture_prediction(path, [1.0], [mean], [sds])
        posterior = paths.conditioned_on(data, a, y, noise, covariance=covariance, sigma_data=sds[0])
        np.testing.assert_allclose(jax.jit(posterior.denoiser)((), x, t), expected, rtol=1e-8)
        fields = posterior.velocity, posterior.denoiser, posterior.eps
        at_ends = jax.jit(jax.vmap(lambda t: [f((), x, t) for f in fields]))(jnp.asarray([0.0, 1.0]))
        assert np.isfinite(at_ends).all()


def test_inpainting_measures_the_known_coordinates(x64):
    with x64():
        path, t, x = paths.vp_cosine(), jnp.asarray(T), jnp.asarray(X)
        data = paths.mixture_prediction(path, [1.0, 2.0], M, S)
        ours = jax.jit(paths.inpainting(data, [False, True], [np.nan, 0.3], 0.05).denoiser)((), x, t)
        measured = jax.jit(paths.conditioned_on(data, [[0.0, 1.0]], [0.3], 0.05).denoiser)((), x, t)
        np.testing.assert_allclose(ours, measured, rtol=1e-12)
        assert abs(ours[1] - 0.3) < 0.05


def test_bad_arguments_are_named():
    data = paths.mixture_prediction(paths.linear(), [1.0, 1.0], M, S)
    with pytest.raises(ValueError, match="interval="):
        paths.guided(data, 2.0, interval=(0.5, 0.5))
    with pytest.raises(ValueError, match="weak"):
        paths.guided(data, 2.0, weak=paths.on_path(data, paths.edm()))
    with pytest.raises(ValueError, match="matrix of shape"):
        paths.conditioned_on(data, [[1.0, 0.0]], [1.0, 2.0], 0.1)
    with pytest.raises(ValueError, match="noise=0"):
        paths.conditioned_on(data, [[1.0, 0.0]], [1.0], 0)
    with pytest.raises(ValueError, match="covariance='full'"):
        paths.conditioned_on(data, [[1.0, 0.0]], [1.0], 0.1, covariance="full")
    with pytest.raises(ValueError, match="mask of shape"):
        paths.inpainting(data, [False, False], [0.0, 0.0])
