"""Gaussians with given moments and their mixtures against scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases

LOC, SCALE = np.array([1.0, -2.0]), np.array([0.5, 3.0])
COVARIANCE = np.array([[2.0, -1.2], [-1.2, 1.0]])
WEIGHTS, MEANS, SCALES = np.array([1.0, 3.0]), np.array([[-2.0, 0.0], [1.0, 1.0]]), np.array([[0.5, 1.0], [1.0, 0.2]])


def mixture_truth():
    def logpdf(z):
        parts = [scipy.stats.norm.pdf(z, m, s).prod(-1) for m, s in zip(MEANS, SCALES, strict=True)]
        return np.log(0.25 * parts[0] + 0.75 * parts[1])

    mean = 0.25 * MEANS[0] + 0.75 * MEANS[1]
    centred = [m - mean for m in MEANS]
    covariance = sum(w * (np.diag(s**2) + np.outer(c, c)) for w, s, c in zip((0.25, 0.75), SCALES, centred, strict=True))
    return logpdf, mean, covariance


KINDS = {
    "diagonal": (
        lambda: bases.diagonal_gaussian(LOC, SCALE),
        lambda z: scipy.stats.norm.logpdf(z, LOC, SCALE).sum(-1),
        LOC,
        np.diag(SCALE**2),
    ),
    "full": (
        lambda: bases.full_gaussian(LOC, COVARIANCE),
        scipy.stats.multivariate_normal(LOC, COVARIANCE).logpdf,
        LOC,
        COVARIANCE,
    ),
    "mixture": (lambda: bases.gaussian_mixture(WEIGHTS, MEANS, SCALES), *mixture_truth()),
}
over_kinds = pytest.mark.parametrize("name", list(KINDS))


@over_kinds
def test_log_density_is_the_closed_form(name):
    make, truth, _, _ = KINDS[name]
    z = np.random.default_rng(0).normal(size=(20, 2)) * 2
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(jax.vmap(make().log_prob))(jnp.asarray(z)), truth(z), rtol=1e-12)


@over_kinds
def test_draws_have_the_given_moments(name, key):
    make, _, mean, covariance = KINDS[name]
    num = 20_000
    z = np.asarray(make().sample(seed=key, sample_shape=(num,)))
    assert z.shape == (num, 2) and make().sample(seed=key).shape == (2,)
    stderr = np.sqrt(np.diag(covariance) / num)
    np.testing.assert_array_less(np.abs(z.mean(0) - mean), 4.5 * stderr)
    np.testing.assert_allclose(np.cov(z.T), covariance, atol=0.05 * np.diag(covariance).max())


def test_a_mixtures_gradient_is_that_of_the_leading_component_where_densities_overflow():
    """Far out in a direction the component with the largest standard deviation there leads: its score is `-x / s^2`."""
    base = bases.gaussian_mixture([1.0, 3.0], [[-2.0, 0.0], [1.0, 1.0]], [[0.5, 1.0], [1.0, 0.2]])
    value, grad = jax.jit(jax.vmap(jax.value_and_grad(base.log_prob)))(
        jnp.asarray([[5.0, 0.0], [1e18, 0.0], [1e25, 0.0], [0.0, -1e25], [3e38, 0.0], [3e38, -3e38]])
    )
    assert np.isfinite(grad).all() and np.isfinite(value[0]) and np.all(value[2:] == -np.inf)
    np.testing.assert_allclose(grad[1, 0], -1e18, rtol=1e-5)
    np.testing.assert_allclose(grad[2, 0], -1e25, rtol=1e-5)
    np.testing.assert_allclose(grad[3, 1], 1e25, rtol=1e-5)
    assert grad[4, 0] < -1e33
    assert np.isnan(base.log_prob(jnp.asarray([np.nan, 0.0])))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: bases.diagonal_gaussian([0.0, np.nan], 1.0), "loc=.*finite"),
        (lambda: bases.diagonal_gaussian([0.0], [0.0]), "scale=.*positive"),
        (lambda: bases.full_gaussian([0.0], np.eye(2)), r"\(1,\).*\(2, 2\)"),
        (lambda: bases.full_gaussian([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), "accepted: a positive definite matrix"),
        (lambda: bases.full_gaussian([0.0, 0.0], [[1.0, 0.2], [0.0, 1.0]]), "accepted: a symmetric matrix"),
        (lambda: bases.gaussian_mixture([1.0, 0.0], MEANS, SCALES), "weights=.*positive"),
        (lambda: bases.gaussian_mixture([1.0], MEANS, SCALES), r"\(1,\).*\(2, 2\)"),
        (lambda: bases.gaussian_mixture(WEIGHTS, MEANS, np.ones(3)), "scales"),
    ],
)
def test_bad_moments_are_named(make, match):
    with pytest.raises(ValueError, match=match):
        make()
