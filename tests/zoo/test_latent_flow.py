"""A flow in a VAE's latent space: its bound against the VAE's own and against probability itself, and what each half of a fit leaves alone."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import jaxgen
from jaxgen import zoo
from jaxgen.compiled import once
from jaxgen.objective import Batch
from jaxgen.training import init_state, make_step

ALL = np.array(list(itertools.product([0.0, 1.0], repeat=4)), np.float32).reshape(-1, 2, 2, 1)
LIGHT = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@pytest.fixture(scope="module")
def entry():
    return zoo.build("latent_cfm", (2, 2, 1), network="mlp", width=6, prior_width=6, latent_dim=2, num_steps=8)


@pytest.fixture(scope="module")
def params(entry):
    """Drawn ones, the flow's last layer included, which starts at zero; the codes' scales are wide, so that no weight is extreme."""
    rng, first = np.random.default_rng(0), once(lambda key: jaxgen.init(key, entry.model), jax.random.key(0))
    flow, _, vae = jax.tree.map(lambda a: a + jnp.asarray(0.4 * rng.standard_normal(a.shape), a.dtype), first)
    units = {"loc": jnp.asarray([0.3, -0.2]), "log_scale": jnp.asarray([-0.5, -0.3])}
    return flow, units, {**vae, "encoder": jax.tree.map(lambda a: 0.3 * a, vae["encoder"])}


def test_without_a_velocity_the_bound_is_that_of_the_vae_under_the_gaussian_of_its_units(entry, params):
    f, x, key = entry.model.transform, jnp.asarray(ALL[6]), jax.random.key(1)
    still = (jax.tree.map(jnp.zeros_like, params[0]), *params[1:])

    def terms(params, key):
        pre = f.inverse(params, x, None, key)
        return pre.z["latent"], entry.model.base.log_prob(pre.z) + pre.log_det - pre.log_q, pre.log_det, pre.log_q

    (mean, log_scale), loc, scale = f.parts["encode"](still, x), params[1]["loc"], jnp.exp(params[1]["log_scale"])
    standard, value, _, log_q = jax.jit(terms, compiler_options=LIGHT)(still, key)
    z = loc + scale * standard
    np.testing.assert_allclose(log_q, norm.logpdf(z, mean, np.exp(log_scale)).sum(), rtol=1e-4)
    p = np.asarray(f.parts["decode"](still, z))
    likelihood = np.log(np.where(x == 1, p[1], p[0])).sum()
    np.testing.assert_allclose(value, norm.logpdf(z, loc, scale).sum() + likelihood - log_q, rtol=1e-4)


def test_the_weights_of_all_images_add_up_to_one(entry, params):
    """E[p(x, z) / q(z | x)] is p(x), whatever the flow and the encoder are, and the sixteen images are all that there are."""
    found = jaxgen.log_prob(entry.model, params, ALL, key=jax.random.key(2), num_draws=4_000)
    p = np.exp(np.asarray(found.value, np.float64))
    error = float(np.sqrt(np.sum((p * np.asarray(found.stderr)) ** 2)))
    assert error < 0.02 and abs(p.sum() - 1) < 4 * error
    drawn = np.asarray(jaxgen.sample(jax.random.key(3), entry.model, params, 4_000)).reshape(-1, 4) @ [8, 4, 2, 1]
    np.testing.assert_allclose(np.bincount(drawn.astype(int), minlength=16) / 4_000, p, atol=0.03)


def test_each_half_of_a_fit_moves_its_own_params_and_not_a_bit_of_the_others(entry):
    batch = Batch(jnp.asarray(ALL))
    state = init_state(jax.random.key(0), entry, batch, 7)
    step, seen = jax.jit(make_step(entry, 7), compiler_options=LIGHT), [state.params]
    for i in range(7):
        state, _ = step(state, batch, jax.random.key(i))
        seen.append(state.params)
    still = lambda a, b: jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), a, b))
    # The first four steps of seven are the autoencoder's; the first of either warms up from a learning rate of zero.
    for i in range(4):
        assert still(seen[i][0], seen[i + 1][0]) and still(seen[i][1:], seen[i + 1][1:]) == (i == 0)
    for i in range(4, 7):
        assert still(seen[i][0], seen[i + 1][0]) == (i == 4) and still(seen[i][1:], seen[i + 1][1:])


def test_sampling_uses_flow_units_and_decoder_and_the_condition_is_the_flows_alone():
    entry = zoo.build("latent_cfm", (4, 4, 1), (3,), width=4, prior_width=4, latent_dim=3, num_steps=1, guidance=2.0)
    shapes = jax.eval_shape(lambda key: jaxgen.init(key, entry.model, jnp.zeros(3)), jax.random.key(0))
    used = jaxgen.sampling_params(entry.model, shapes, jnp.zeros(3))
    assert all(jax.tree.leaves((used[0], used[1], used[2]["decoder"]))) and not any(jax.tree.leaves(used[2]["encoder"]))
    alone = jax.eval_shape(
        lambda key: jaxgen.init(key, zoo.build("latent_cfm", (4, 4, 1), width=4, prior_width=4, latent_dim=3).model), jax.random.key(0)
    )
    assert jax.tree.map(jnp.shape, shapes[2]) == jax.tree.map(jnp.shape, alone[2])
