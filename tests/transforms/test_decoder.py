"""A linear VAE with its known posterior: the bound is the density itself. Wrong posteriors stay below and importance sampling mends them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases, nets, transforms
from jaxgen.model import Model, log_prob
from jaxgen.transform import Density

# Orthogonal columns make the posterior's covariance diagonal, as the encoder's is.
W = np.array([[1.0, -0.4], [0.5, 0.8], [0.0, 0.3]])
W[:, 1] -= W[:, 0] * (W[:, 0] @ W[:, 1]) / (W[:, 0] @ W[:, 0])
SHIFT, SD = np.array([0.3, -1.0, 0.5]), 0.6
PRECISION = np.diag(W.T @ W) / SD**2 + 1
X = np.array([[0.3, -1.0, 0.5], [2.0, 0.0, -1.0], [-3.0, 1.0, 2.0]])


def raw(log_scale):
    """What a network must put out for this log scale: the inverse of the soft limits at 7 on both sides."""
    above = 7 - np.log(np.expm1(7 - log_scale))
    return np.log(np.expm1(above + 7)) - 7


def linear_vae(off=0.0):
    """The exact posterior, its mean off by `off`."""

    def decode(params, z, cond=None):
        w, shift, scale = (jnp.asarray(a, z.dtype) for a in (W, SHIFT, raw(np.full(3, np.log(SD)))))
        return jnp.concatenate([shift + w @ z, scale])

    def encode(params, x, cond=None):
        back, shift, scale = (jnp.asarray(a, x.dtype) for a in (W.T / SD**2 / PRECISION[:, None], SHIFT, raw(-0.5 * np.log(PRECISION))))
        return jnp.concatenate([back @ (x - shift) + off, scale])

    decoder, encoder = (nets.Net(lambda key, *inputs: (), f) for f in (decode, encode))
    return Model(bases.latent_and_noise((2,), (3,)), transforms.gaussian_decoder(decoder, encoder))


TRUTH = scipy.stats.multivariate_normal(SHIFT, W @ W.T + SD**2 * np.eye(3)).logpdf(X)
PARAMS = {"decoder": (), "encoder": ()}


def test_with_the_known_posterior_one_draw_is_the_exact_log_density(x64):
    with x64():
        estimate = log_prob(linear_vae(), PARAMS, X, key=jax.random.key(0), num_draws=3)
        assert estimate.density is Density.LOWER_BOUND
        np.testing.assert_allclose(estimate.value, TRUTH, rtol=1e-8)
        assert np.all(estimate.stderr < 1e-8)


def test_a_wrong_posterior_costs_its_divergence_and_more_draws_win_it_back():
    model = linear_vae(off=0.3)
    single = np.stack([log_prob(model, PARAMS, X, key=k).value for k in jax.random.split(jax.random.key(0), 400)])
    many = log_prob(model, PARAMS, X, key=jax.random.key(0), num_draws=2_000)
    # KL(q || p(z | x)) of two Gaussians that differ in the mean only.
    divergence = 0.5 * np.sum(0.3**2 * PRECISION)
    np.testing.assert_allclose(single.mean(0), TRUTH - divergence, atol=4 * single.std(0).max() / 20)
    assert np.all(np.abs(many.value - TRUTH) < 4 * many.stderr) and np.all(many.stderr < 0.2 * divergence)


def test_the_soft_limits_are_the_identity_inside_and_hold_outside():
    net = nets.Net(lambda key, *inputs: (), lambda params, z, cond=None: jnp.concatenate([z, z]))
    decode = transforms.gaussian_decoder(net, net).parts["decode"]
    _, log_scale = decode(PARAMS, jnp.asarray([-1e4, -2.0, 0.0, 2.0, 1e4]))
    np.testing.assert_allclose(log_scale, [-7, -2, 0, 2, 7], atol=0.01)


def test_the_last_but_one_stage_is_the_mean(key):
    model = linear_vae()
    z = model.base.sample(seed=key)
    np.testing.assert_allclose(model.transform.hooks.stages(PARAMS, z)[0], SHIFT + W @ np.asarray(z["latent"]), rtol=1e-5)


def test_a_draw_needs_a_key():
    with pytest.raises(ValueError, match=r"key=None.*jax\.random\.key"):
        linear_vae().transform.inverse(PARAMS, jnp.ones(3))
