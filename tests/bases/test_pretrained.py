"""A model as a base: same draws and same density as the model, and the refusal of those without an exact one."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases, nets
from jaxgen import transforms as T
from jaxgen.model import Model, encode, init, log_prob
from jaxgen.transform import ImplicitDensityError

PARAMS = {"loc": jnp.asarray([1.0, -1.0]), "log_scale": jnp.asarray([0.3, -0.5])}


def base():
    return bases.model(Model(bases.normal((2,)), T.diagonal_affine()), PARAMS)


def test_it_has_the_density_of_the_model_one_event_or_many():
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    expected = scipy.stats.norm.logpdf(x, PARAMS["loc"], np.exp(PARAMS["log_scale"])).sum(-1)
    np.testing.assert_allclose(base().log_prob(x), expected, rtol=1e-4)
    np.testing.assert_allclose(base().log_prob(x[0, 0]), expected[0, 0], rtol=1e-4)


def test_its_draws_are_the_models_and_a_model_on_it_is_the_chain(key):
    x = np.asarray(base().sample(seed=key, sample_shape=(4_000,)))
    assert x.shape == (4_000, 2) and base().sample(seed=key).shape == (2,)
    assert scipy.stats.kstest(x[:, 1], scipy.stats.norm(-1.0, np.exp(-0.5)).cdf).pvalue > 1e-3
    outer = T.affine([0.5, 2.0], 3.0)
    on_top, chained = Model(base(), outer), Model(bases.normal((2,)), T.chain(T.diagonal_affine(), outer))
    np.testing.assert_allclose(log_prob(on_top, (), x[:5]).value, log_prob(chained, (PARAMS, ()), x[:5]).value, rtol=1e-5)


def test_it_is_the_model_at_the_one_condition_that_was_given(key):
    flow = Model(bases.normal((2,)), T.coupling(T.scale_and_shift(), lambda out: nets.mlp(out, width=4, depth=1)))
    cond = jnp.asarray([3.0, -2.0])
    params = init(key, flow, cond)
    base = bases.model(flow, params, cond)
    x = np.asarray(base.sample(seed=key, sample_shape=(2, 3)))
    assert x.shape == (2, 3, 2)
    expected = log_prob(flow, params, x[0], jnp.tile(cond, (3, 1))).value
    np.testing.assert_allclose(base.log_prob(x[0]), expected, rtol=1e-5)
    assert np.abs(expected - bases.model(flow, params, 0 * cond).log_prob(x[0])).max() > 1e-3
    draws = base.sample(seed=key, sample_shape=(2_000,))
    noise = encode(flow, params, draws, jnp.tile(cond, (2_000, 1)))
    assert scipy.stats.kstest(np.asarray(noise).ravel(), scipy.stats.norm.cdf).pvalue > 1e-3


def test_only_an_exact_model_is_a_base():
    implicit = Model(bases.normal((2,)), T.generator(nets.mlp(2, width=4)))
    with pytest.raises(ImplicitDensityError, match="density=implicit; accepted: exact"):
        bases.model(implicit, {})
    vae = Model(bases.latent_and_noise((1,), (2,)), T.gaussian_decoder(nets.mlp(4, width=4), nets.mlp(2, width=4)))
    with pytest.raises(ValueError, match="lower bound; accepted: exact"):
        bases.model(vae, {})
