"""Objectives that are likelihoods: their values are known where the model's density is."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
import scipy.stats

from jaxgen import bases, nets, objectives
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock

CLOCK = Clock(jnp.asarray(0), jnp.asarray(10), None)
X = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)


def value(objective, params, key, x):
    """Loss and metrics as one compiled program."""
    return jax.jit(objective.loss)(params, (), key, Batch(x), CLOCK)


def test_maximum_likelihood_is_the_mean_negative_log_density():
    model = Model(bases.normal((3,)), T.triangular_affine())
    params = {"loc": jnp.asarray([0.5, 0.0, -1.0]), "tril": jnp.asarray([[2.0, 0, 0], [0.3, 0.7, 0], [-0.5, 0.2, 1.1]])}
    loss, metrics = jax.jit(objectives.maximum_likelihood(model).loss)(params, (), jax.random.key(0), Batch(X), CLOCK)
    tril = np.asarray(params["tril"])
    expected = -scipy.stats.multivariate_normal(np.asarray(params["loc"]), tril @ tril.T).logpdf(X).mean()
    np.testing.assert_allclose([loss, metrics["nll"]], expected, rtol=1e-5)


def random_vae():
    nets_ = nets.mlp(6, width=8, depth=1), nets.mlp(4, width=8, depth=1)
    model = Model(bases.latent_and_noise((2,), (3,)), T.gaussian_decoder(*nets_))
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(lambda: model.transform.init(jax.random.key(0), model.base.sample(seed=jax.random.key(0))))
    return model, jax.tree.map(lambda s: jnp.asarray(0.4 * rng.standard_normal(s.shape), jnp.float32), shapes)


def test_the_elbo_at_beta_one_is_maximum_likelihood_in_expectation():
    """One has the KL term in closed form and the other samples it: over many keys their means agree, and so do their gradients."""
    model, params = random_vae()
    keys = jax.random.split(jax.random.key(0), 400)

    def over_keys(objective):
        def flat(key):
            loss, gradient = jax.value_and_grad(lambda p: objective.loss(p, (), key, Batch(X), CLOCK)[0])(params)
            return jnp.concatenate([loss[None], *(jnp.sum(g)[None] for g in jax.tree.leaves(gradient))])

        return np.asarray(jax.jit(jax.vmap(flat))(keys))

    ours, theirs = (over_keys(make(model)) for make in (objectives.elbo, objectives.maximum_likelihood))
    stderr = np.sqrt((ours.var(0) + theirs.var(0)) / 400)
    assert np.all(np.abs(ours.mean(0) - theirs.mean(0)) < 4 * stderr + 1e-5)
    assert stderr[0] < 0.04
    # What the closed form is for.
    assert ours.std(0)[0] < theirs.std(0)[0]


def test_the_elbos_terms_are_weighed_apart():
    model, params = random_vae()
    found = {beta: value(objectives.elbo(model, beta), params, jax.random.key(0), X) for beta in (0.0, 1.0, 4.0)}
    rate = found[1.0][1]["rate"]
    np.testing.assert_allclose(found[4.0][0] - found[0.0][0], 4 * rate, rtol=1e-4)
    mean, log_scale = jax.jit(jax.vmap(lambda x: model.transform.parts["encode"](params, x)))(X)
    per_event = [0.5 * (s**2 + m**2 - 1) - np.log(s) for m, s in zip(np.asarray(mean), np.exp(np.asarray(log_scale)), strict=True)]
    np.testing.assert_allclose(rate, np.mean(np.sum(per_event, 1)), rtol=1e-4)


def test_the_bound_of_several_draws_weighs_them():
    """Against numpy, draw by draw: log mean exp of the weights, one draw being maximum likelihood on the bound."""
    model, params = random_vae()
    key, x = jax.random.key(3), jnp.asarray(X[:5])

    def log_weight(x, k):
        pre = model.transform.inverse(params, x, None, k)
        return model.base.log_prob(pre.z) + pre.log_det - pre.log_q

    found, metrics = value(objectives.importance_weighted(model, 4), params, key, x)
    logs = np.asarray(jax.jit(jax.vmap(jax.vmap(log_weight), (None, 0)))(x, jax.random.split(key, (4, 5))), np.float64)
    np.testing.assert_allclose(found, -np.mean(scipy.special.logsumexp(logs, 0) - np.log(4)), rtol=1e-5)
    np.testing.assert_allclose(metrics["nll_one_draw"], -logs.mean(), rtol=1e-5)
    assert found < metrics["nll_one_draw"]
    one, _ = value(objectives.importance_weighted(model, 1), params, key, x)
    np.testing.assert_allclose(one, value(objectives.maximum_likelihood(model), params, key, x)[0], rtol=1e-5)


def test_beta_warms_up_linearly():
    model, params = random_vae()
    loss_at = jax.jit(objectives.elbo(model, 2.0, warmup=0.5).loss)
    for step, weight in ((0, 0.0), (25, 1.0), (50, 2.0), (99, 2.0)):
        loss, metrics = loss_at(params, (), jax.random.key(0), Batch(X), Clock(jnp.asarray(step), jnp.asarray(100), None))
        np.testing.assert_allclose(loss, metrics["distortion"] + weight * metrics["rate"], rtol=1e-5)


def test_reconstruction_is_the_squared_error_and_finishes_with_the_gaussian_of_the_codes():
    halve = nets.Net(lambda key, *a: (), lambda params, x, cond=None: x[:2] / 2)
    widen = nets.Net(lambda key, *a: (), lambda params, z, cond=None: jnp.concatenate([2 * z, jnp.zeros(1)]))
    model = Model(bases.normal((2,)), T.chain(T.triangular_affine(), T.autoencoder(widen, halve)))
    params = ({"loc": jnp.zeros(2), "tril": jnp.eye(2)}, {"decoder": (), "encoder": ()})
    objective = objectives.reconstruction(model, objectives.gaussian_of_codes(model))
    loss, _ = jax.jit(objective.loss)(params, (), jax.random.key(0), Batch(jnp.asarray(X)), CLOCK)
    np.testing.assert_allclose(loss, np.mean(X[:, 2] ** 2), rtol=1e-5)
    affine = objective.finish(params, (), Batch(jnp.asarray(X)))[0]
    np.testing.assert_allclose(affine["loc"], X[:, :2].mean(0) / 2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(affine["tril"] @ affine["tril"].T, np.cov(X[:, :2].T, bias=True) / 4, rtol=1e-3, atol=1e-5)
