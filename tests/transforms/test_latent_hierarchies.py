"""The ladder's weights add up to one over all events, and its two terms to its bound; codes are a bound from below, their gradient is passed."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxgen import bases, nets, sample
from jaxgen import transforms as T
from jaxgen.model import Model, log_prob

LEVELS, D, CODES = 3, 2, 3
EVENTS = np.array(list(itertools.product(range(LEVELS), repeat=D)), np.float32)


def net(out):
    return nets.mlp(out, width=6, depth=1)


def with_params(model, scale):
    z = jax.eval_shape(lambda: model.base.sample(seed=jax.random.key(0)))
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda z: model.transform.init(jax.random.key(0), z), z)
    return model, jax.tree.map(lambda s: jnp.asarray(scale * rng.standard_normal(s.shape), jnp.float32), shapes)


def ladder():
    base = bases.joint({"latent": bases.normal((3, 1)), "noise": bases.uniform((D,))})
    decoder = T.ladder_decoder(T.Rung(net(2), net(2), net(4)), net(D * (LEVELS - 1)), net(5), 4, LEVELS)
    return with_params(Model(base, decoder), 0.6)


def prior():
    return T.autoregressive_columns(
        (CODES, CODES), T.scale_and_shift(), lambda out, features: nets.column_made(out, features, width=6), "uniform"
    )


def quantised():
    base = bases.joint({"codes": bases.uniform((2,)), "noise": bases.uniform((D,))})
    return with_params(
        Model(base, T.chain(T.on("codes", prior()), T.quantised_decoder(net(D * (LEVELS - 1)), net(4), CODES, 2, LEVELS))), 0.9
    )


def test_the_ladders_mean_weights_add_up_to_one_and_samples_have_them():
    model, params = ladder()
    # Posteriors not far from the prior, so that no weight is rare and large.
    params["rungs"]["posterior"] = jax.tree.map(lambda a: 0.3 * a, params["rungs"]["posterior"])
    estimate = log_prob(model, params, EVENTS, key=jax.random.key(0), num_draws=20_000)
    p = np.exp(np.asarray(estimate.value, np.float64))
    errors = p * np.asarray(estimate.stderr)
    assert abs(p.sum() - 1) < 4.5 * np.sqrt(np.sum(errors**2)) and errors.max() < 0.02
    x = np.asarray(sample(jax.random.key(1), model, params, 20_000))
    counts = (x[:, None] == EVENTS).all(-1).mean(0)
    assert np.all(np.abs(counts - p) < 4.5 * np.sqrt(p / 20_000 + errors**2))
    assert p.max() > 2 * p.min()


def test_the_ladders_two_terms_are_its_bound_in_expectation():
    model, params = ladder()
    x = jnp.asarray(EVENTS[5])

    def both(key):
        pre = model.transform.inverse(params, x, None, key)
        distortion, rate = model.transform.parts["distortion_and_rate"](params, x, key=key)
        return distortion, rate, -pre.log_det, pre.log_q - model.base.log_prob(pre.z)

    distortion, rate, again, estimate = np.asarray(jax.jit(jax.vmap(both))(jax.random.split(jax.random.key(0), 4_000)))
    np.testing.assert_allclose(distortion, again, rtol=1e-5)
    gap = rate - estimate
    assert abs(gap.mean()) < 4.5 * gap.std() / np.sqrt(len(gap)) and rate.mean() > 0.05 and rate.std() > 1e-3


def test_the_codes_of_an_event_bound_its_probability_which_samples_have():
    """Truth by enumeration of all codes: their prior times what the decoder makes of them."""
    model, params = quantised()
    codes = np.array(list(itertools.product(range(CODES), repeat=2)), np.float32)
    of_codes = np.asarray(log_prob(Model(bases.uniform((2,)), prior()), params[0], codes).value, np.float64)
    np.testing.assert_allclose(np.exp(of_codes).sum(), 1, rtol=1e-5)
    book = np.asarray(params[1]["book"])
    logits = np.stack([np.asarray(net(4).apply(params[1]["decoder"], jnp.asarray(book[k.astype(int)].ravel()))) for k in codes])
    weights = np.exp(np.concatenate([np.zeros((len(codes), D, 1)), logits.reshape(-1, D, LEVELS - 1)], 2))
    pixels = weights / weights.sum(2, keepdims=True)
    given = np.stack([pixels[:, 0, int(x[0])] * pixels[:, 1, int(x[1])] for x in EVENTS], 1)
    truth = np.exp(of_codes) @ given
    bound = log_prob(model, params, EVENTS, key=jax.random.key(0)).value
    chosen = np.asarray(jax.jit(jax.vmap(lambda x: model.transform.parts["codes"](params, x)))(EVENTS))
    row = [int(np.flatnonzero((codes == k).all(1))[0]) for k in chosen]
    np.testing.assert_allclose(bound, of_codes[row] + np.log(given[row, np.arange(len(EVENTS))]), rtol=1e-3)
    assert np.all(np.exp(bound) < truth) and len(set(row)) > 1
    x = np.asarray(sample(jax.random.key(1), model, params, 20_000))
    counts = (x[:, None] == EVENTS).all(-1).mean(0)
    assert np.all(np.abs(counts - truth) < 4.5 * np.sqrt(truth / 20_000) + 1e-5)


def test_the_gradient_passes_the_codes_to_the_encoder_and_only_the_error_moves_the_book():
    model, params = quantised()
    x = jnp.asarray(EVENTS[3])

    def terms(params):
        return model.transform.inverse(params, x).log_det, *model.transform.parts["quantisation_error"](params, x)

    likelihood, book, commitment = jax.jit(jax.jacrev(terms))(params)
    moved = lambda tree: bool(np.any(np.asarray(ravel_pytree(tree)[0]) != 0))
    assert [moved(g[1]["book"]) for g in (likelihood, book, commitment)] == [False, True, False]
    assert [moved(g[1]["encoder"]) for g in (likelihood, book, commitment)] == [True, False, True]
    assert [moved(g[0]) for g in (likelihood, book, commitment)] == [True, False, False]
    # The book starts at vectors of the data.
    start = model.transform.hooks.data_init(params, jnp.asarray(EVENTS), None, jax.random.split(jax.random.key(0), len(EVENTS)))[0]
    vectors = jax.jit(jax.vmap(lambda x: net(4).apply(params[1]["encoder"], x - 1)))(EVENTS).reshape(-1, 2)
    apart = np.abs(np.asarray(start[1]["book"])[:, None] - np.asarray(vectors)[None]).max(-1)
    assert apart.shape == (CODES, 2 * len(EVENTS)) and np.all(apart.min(1) < 1e-5)
