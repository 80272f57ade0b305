"""An autoencoder, then a prior of its codes: what each half is given, and what the units learn, with closed forms for both objectives."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jaxgen
from jaxgen import bases, objectives
from jaxgen import transforms as T
from jaxgen.combinators import chain
from jaxgen.model import Model
from jaxgen.nets import Net
from jaxgen.objective import Batch, Clock, Objective, PairingError, no_aux

X = jnp.asarray(np.random.default_rng(0).integers(0, 2, (40, 3)), jnp.float32)
COND = X[:, :1] - 4
# Codes around the first two pixels, 5 apart, with a scale of e^-9: so narrow that they are their means.
ENCODER = Net(lambda key, x, cond: jnp.ones(()), lambda p, x, cond: p * jnp.concatenate([5 * x[:2] + cond, jnp.asarray([-9.0, -9.0])]))
DECODER = Net(lambda key, z, cond: jnp.ones(()), lambda p, z, cond: p * jnp.zeros(3))
BASE = bases.joint({"latent": bases.normal((2,)), "noise": bases.uniform((3,))})
MODEL = Model(BASE, chain(T.on("latent", T.affine(0, 1)), T.on("latent", T.diagonal_affine()), T.discrete_decoder(DECODER, ENCODER)))
VAE = {"decoder": jnp.ones(()), "encoder": jnp.ones(())}


def told(name):
    """An objective that puts what it is given among its metrics; its loss is its one param, or `decoder` of them."""

    def loss(params, aux, key, batch, clock):
        own = params["decoder"] if isinstance(params, dict) else params
        return own * jnp.mean(batch.x**2), {name: jnp.mean(batch.x**2), f"{name}_cond": jnp.mean(batch.cond), f"{name}_step": clock.step}

    return Objective(no_aux, loss)


OBJECTIVE = objectives.latent_prior(MODEL, told("vae"), told("prior"))


def loss(params, step):
    return OBJECTIVE.loss(params, (), jax.random.key(0), Batch(X, COND), Clock(jnp.asarray(step), jnp.asarray(7), params))


def units(codes):
    return {"loc": jnp.mean(codes, 0), "log_scale": jnp.log(jnp.std(codes, 0))}


def test_the_units_come_to_rest_where_codes_have_mean_zero_and_variance_one():
    codes = 5 * (2 * X[:, :2] - 1) + COND
    gradient = jax.jit(jax.grad(lambda u: loss((jnp.ones(()), u, VAE), 0)[0]))
    at_rest, elsewhere = gradient(units(codes)), gradient({"loc": jnp.mean(codes, 0) + 1, "log_scale": jnp.log(2 * jnp.std(codes, 0))})
    for name in at_rest:
        np.testing.assert_allclose(at_rest[name], 0, atol=1e-3)
    # d/dm of (z - m)^2 / 2 s^2 is 1 / s^2 where m is one too large; d/d log s of it with log s is 1 - (s^2 + 1) / (2 s)^2.
    s2 = 4 * jnp.var(codes, 0)
    np.testing.assert_allclose(elsewhere["loc"], 1 / s2, rtol=1e-2)
    np.testing.assert_allclose(elsewhere["log_scale"], 1 - (0.25 * s2 + 1) / s2, rtol=1e-2)


def test_the_second_half_sees_standard_codes_under_their_conditions_and_moves_the_prior_alone():
    codes = 5 * (2 * X[:, :2] - 1) + COND
    params = (jnp.asarray(3.0), units(codes), VAE)
    (value, metrics), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(params, 4)
    np.testing.assert_allclose([value, metrics["prior"], metrics["prior_cond"]], [3, 1, jnp.mean(COND)], rtol=1e-3)
    assert metrics["prior_step"] == 0 and metrics["vae"] == metrics["vae_cond"] == 0
    np.testing.assert_allclose(gradient[0], 1, rtol=1e-3)
    assert not any(np.any(g) for g in jax.tree.leaves(gradient[1:]))
    # Held-out losses count from this step of seven on.
    assert math.ceil(OBJECTIVE.schedule.judge_from * 7) == 4


def test_the_first_half_sees_the_batch_and_moves_the_autoencoder():
    params = (jnp.asarray(3.0), units(X[:, :2]), VAE)
    (_, metrics), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(params, 3)
    np.testing.assert_allclose([metrics["vae"], metrics["vae_cond"]], [jnp.mean(X**2), jnp.mean(COND)], rtol=1e-5)
    assert metrics["vae_step"] == 3 and metrics["prior"] == 0 and gradient[0] == 0
    # No gradient of the units' likelihood reaches the encoder.
    np.testing.assert_allclose([gradient[2]["decoder"], gradient[2]["encoder"]], [jnp.mean(X**2), 0], rtol=1e-5)


def test_a_fitted_prior_behind_an_autoencoder_takes_the_place_of_the_standard_gaussian():
    """The encoder is so narrow that codes are known: the bound changes by the priors' log densities at them."""
    vae = Model(BASE, T.discrete_decoder(DECODER, ENCODER))
    prior = Model(bases.normal((2,)), T.affine(jnp.asarray([0.5, -1.0]), jnp.asarray([2.0, 0.7])))
    model = objectives.with_prior(vae, prior)
    scales = {"loc": jnp.asarray([-1.0, 3.0]), "log_scale": jnp.asarray([0.3, 1.0])}
    key = jax.random.key(0)
    plain = jaxgen.log_prob(vae, VAE, X, COND, key=key, num_draws=64).value
    fitted = jaxgen.log_prob(model, ((), scales, VAE), X, COND, key=key, num_draws=64).value
    codes = np.asarray(5 * (2 * X[:, :2] - 1) + COND)
    loc = np.asarray(scales["loc"]) + np.exp(scales["log_scale"]) * [0.5, -1.0]
    scale = np.exp(scales["log_scale"]) * np.asarray([2.0, 0.7])
    expected = scipy.stats.norm.logpdf(codes, loc, scale).sum(1) - scipy.stats.norm.logpdf(codes).sum(1)
    # Draws of the codes differ between the two, by their own scale of e^-9 and by log q; both means have few nats of noise.
    np.testing.assert_allclose(np.mean(fitted - plain - expected), 0, atol=0.1)
    assert "distortion_and_rate" not in model.transform.parts and "encode" in model.transform.parts
    with pytest.raises(PairingError, match="with_prior.*encode"):
        objectives.with_prior(Model(bases.normal((2,)), T.affine(0, 1)), prior)


def test_objectives_that_it_would_not_run_in_full_are_refused():
    for other in (objectives.drifting, lambda model: objectives.reconstruction(model, lambda *a: a[0])):
        model = Model(bases.normal((2,)), T.autoencoder(DECODER, ENCODER))
        with pytest.raises((ValueError, PairingError), match="latent_prior: prior"):
            objectives.latent_prior(MODEL, told("vae"), other(model)._replace(finish=lambda *a: a[0]))
    with pytest.raises(PairingError, match="encode"):
        objectives.latent_prior(Model(bases.normal((2,)), T.affine(0, 1)), told("vae"), told("prior"))
