"""The mixtures against their textbook form: full covariances, posterior-weighted scores, closed-form entropies."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp, softmax

import jaxgen.data
from jaxgen.data.mixtures import eight_gaussians, gaussian_mixture

WEIGHTS = np.array([0.1, 0.2, 0.3, 0.4])


def textbook(dim):
    """Centres (4, d) and the shared covariance (d, d), by the docstring: an orthonormal DCT-II of the simple mixture."""
    basis = np.array([[math.cos(math.pi * (j + 0.5) * i / dim) for j in range(dim)] for i in range(dim)])
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    if dim == 1:
        return np.array([[-1.5], [-0.5], [0.5], [1.5]]), np.eye(1) / 64
    corners = np.zeros((4, dim))
    corners[:, :2] = [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    return corners @ basis, basis.T @ np.diag([1 / 16] * 2 + [1.0] * (dim - 2)) @ basis


@pytest.mark.parametrize("dim", [1, 5, 64])
def test_log_prob_and_score_in_any_dimension(dim):
    centres, covariance = textbook(dim)
    source = gaussian_mixture(dim)
    x = np.random.default_rng(dim).normal(size=(20, dim))
    parts = np.stack([math.log(w) + stats.multivariate_normal(m, covariance).logpdf(x) for w, m in zip(WEIGHTS, centres, strict=True)], -1)
    posterior = softmax(parts, axis=-1)
    score = np.linalg.solve(covariance, (posterior @ centres - x).T).T
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(jax.vmap(source.log_prob))(jnp.asarray(x)), logsumexp(parts, axis=-1), rtol=1e-10)
        np.testing.assert_allclose(jax.jit(jax.vmap(source.score))(jnp.asarray(x)), score, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("dim", [1, 5, 64])
def test_samples_have_the_moments_the_modes_and_the_entropy(dim):
    centres, covariance = textbook(dim)
    data = jaxgen.data.load("gaussian_mixture", dim=dim, num_train=20_000, seed=dim)
    mean = WEIGHTS @ centres
    total = covariance + (centres - mean).T @ np.diag(WEIGHTS) @ (centres - mean)
    assert np.all(np.abs(data.train.mean(axis=0) - mean) <= 4.5 * np.sqrt(np.diag(total) / 20_000))
    np.testing.assert_allclose(np.cov(data.train.T).reshape(dim, dim), total, atol=0.06)
    log_prob = np.asarray(jax.jit(jax.vmap(data.log_prob))(data.train))
    assert abs(-log_prob.mean() - data.entropy) <= 4 * log_prob.std() / math.sqrt(20_000)
    labels = data.mode(data.train)
    assert np.all(np.abs([np.mean(labels == k) for k in range(4)] - WEIGHTS) <= 4.5 * np.sqrt(WEIGHTS * (1 - WEIGHTS) / 20_000))
    assert np.array_equal(data.mode(centres), [0, 1, 2, 3])
    assert np.array_equal(data.mode_weights, WEIGHTS)


def test_entropy_is_that_of_separate_components_less_the_overlap():
    """The entropy of a mixture is at most that of the label plus that of a component, and nearly so when components are far apart."""
    label = -np.sum(WEIGHTS * np.log(WEIGHTS))
    gaussian = 0.5 * math.log(2 * math.pi * math.e)
    for dim in (1, 2, 3, 64):
        component = dim * gaussian + (math.log(1 / 8) if dim == 1 else 2 * math.log(1 / 4))
        gap = label + component - gaussian_mixture(dim).entropy
        assert 0 < gap < 1e-3
    assert eight_gaussians().entropy == pytest.approx(2.832, abs=5e-4)


def test_entropy_in_one_dimension_by_quadrature():
    x = np.linspace(-4, 4, 2001)
    with jax.enable_x64(True):
        log_prob = np.asarray(jax.jit(jax.vmap(gaussian_mixture(1).log_prob))(jnp.asarray(x[:, None])))
    assert -np.sum(np.exp(log_prob) * log_prob) * (x[1] - x[0]) == pytest.approx(gaussian_mixture(1).entropy, abs=1e-10)


def test_eight_gaussians_sit_where_the_literature_has_them():
    source = eight_gaussians()
    centres = 4 / 1.414 * np.array([[math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)] for k in range(8)])
    assert np.array_equal(source.mode(centres), np.arange(8))
    with jax.enable_x64(True):
        peak = float(source.log_prob(jnp.asarray(centres[3])))
    assert peak == pytest.approx(-math.log(8 * 2 * math.pi * (0.5 / 1.414) ** 2), abs=1e-6)


@pytest.mark.parametrize("dim", [0, -1, 2.0, True])
def test_a_dimension_is_a_positive_whole_number(dim):
    with pytest.raises(ValueError, match=f"dim={dim}"):
        gaussian_mixture(dim)
