"""Discrete pixels: cells of noise, the likelihood that is their volume, and a bound whose weights add up to one over all events."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases, nets, sample, transforms
from jaxgen.model import Model, log_prob
from jaxgen.transforms.discrete_decoder import cells, log_likelihood_of, middle, value_in

LEVELS, D = 3, 2
W = np.array([[1.0, -0.5], [0.3, 1.2], [-0.8, 0.4], [0.6, 0.9]])
EVENTS = np.array(list(itertools.product(range(LEVELS), repeat=D)), np.float32)
PARAMS = {"decoder": (), "encoder": ()}


def small_vae():
    """Logits linear in the latent, and a posterior that is right in neither place nor width."""
    decoder = nets.Net(lambda key, *a: (), lambda params, z, cond=None: jnp.asarray(W, z.dtype) @ z)
    encoder = nets.Net(lambda key, *a: (), lambda params, x, cond=None: jnp.concatenate([0.4 * x, 0.1 * x - 0.2]))
    base = bases.joint({"latent": bases.normal((2,)), "noise": bases.uniform((D,))})
    return Model(base, transforms.discrete_decoder(decoder, encoder, LEVELS))


def probabilities(z):
    """Softmax over a logit of 0 and the two others of each pixel, in numpy."""
    logits = np.concatenate([np.zeros((D, 1)), (W @ z).reshape(D, LEVELS - 1)], 1)
    p = np.exp(logits)
    return p / p.sum(1, keepdims=True)


def truth():
    """P(x) of every event, the latent integrated out on a grid."""
    axis = np.linspace(-6, 6, 81)
    weight = scipy.stats.norm.pdf(axis) * (axis[1] - axis[0])
    p = np.array([[probabilities(np.array([a, b])) for b in axis] for a in axis])
    chosen = np.stack([p[:, :, 0, int(x[0])] * p[:, :, 1, int(x[1])] for x in EVENTS])
    return np.einsum("eab,a,b->e", chosen, weight, weight)


def test_the_mean_weight_is_the_probability_and_samples_have_it():
    model, expected = small_vae(), truth()
    estimate = log_prob(model, PARAMS, EVENTS, key=jax.random.key(0), num_draws=20_000)
    p = np.exp(np.asarray(estimate.value, np.float64))
    np.testing.assert_allclose(expected.sum(), 1, rtol=1e-5)
    assert np.all(np.abs(p - expected) < 4.5 * p * np.asarray(estimate.stderr) + 1e-5) and np.all(np.asarray(estimate.stderr) < 0.02)
    x = np.asarray(sample(jax.random.key(1), model, PARAMS, 20_000))
    counts = (x[:, None] == EVENTS).all(-1).mean(0)
    assert np.all(np.abs(counts - expected) < 4.5 * np.sqrt(expected / 20_000))


def test_one_draw_costs_the_likelihood_of_its_latent_and_the_closed_divergence(key):
    transform, x = small_vae().transform, EVENTS[5]
    pre = transform.inverse(PARAMS, x, None, key)
    p = probabilities(np.asarray(pre.z["latent"], np.float64))
    log_likelihood = np.log(p[np.arange(D), x.astype(int)]).sum()
    np.testing.assert_allclose(pre.log_det, log_likelihood, rtol=1e-4)
    distortion, rate = transform.parts["distortion_and_rate"](PARAMS, x, key=key)
    np.testing.assert_allclose(distortion, -log_likelihood, rtol=1e-4)
    mean, scale = 0.4 * (x - 1), np.exp(0.1 * (x - 1) - 0.2)
    # The soft limits on scales are the identity up to a thousandth.
    np.testing.assert_allclose(rate, np.sum(0.5 * (mean**2 + scale**2 - 1) - np.log(scale)), atol=3e-3)
    np.testing.assert_allclose(pre.log_q, scipy.stats.norm(mean, scale).logpdf(np.asarray(pre.z["latent"])).sum(), atol=3e-3)


@pytest.mark.parametrize("levels", [2, 3, 256])
def test_the_middle_of_a_cell_lies_in_it_however_small_it_is(levels):
    """In float32, with logits so far apart that all values but one have the least mass."""
    rng = np.random.default_rng(0)
    logits = (40 * rng.standard_normal((300, levels - 1))).astype(np.float32)
    p = cells(jnp.asarray(logits).ravel(), levels)
    np.testing.assert_allclose(np.asarray(p).sum(0), 1, rtol=1e-5)
    x = jnp.asarray(rng.integers(0, levels, 300), jnp.float32)
    u, total = middle(jnp.asarray(logits).ravel(), x, levels)
    np.testing.assert_array_equal(value_in(p, u), x)
    masses = np.asarray(p, np.float64)[np.asarray(x, int), np.arange(300)]
    np.testing.assert_allclose(total, np.log(masses).sum(), rtol=1e-4)
    # However far apart logits are, the likelihood and its gradient are finite.
    value, slope = jax.value_and_grad(log_likelihood_of)(1e4 * jnp.asarray(logits).ravel(), x, levels)
    assert np.isfinite(value) and np.isfinite(slope).all()
    assert np.all((u > 0) & (u < 1))
    if levels == 2:
        np.testing.assert_allclose(p[1], jax.nn.sigmoid(logits[:, 0]), atol=3e-6)


def test_what_is_no_value_has_no_probability(key):
    model = small_vae()
    bad = np.array([[0.5, 1], [-1, 0], [0, 3], [1, 2]], np.float32)
    value = log_prob(model, PARAMS, bad, key=key, num_draws=2).value
    assert np.isneginf(value[:3]).all() and np.isfinite(value[3])
    with pytest.raises(ValueError, match="levels=1"):
        transforms.discrete_decoder(nets.mlp(2), nets.mlp(2), 1)
    with pytest.raises(ValueError, match=r"key=None.*jax\.random\.key"):
        model.transform.inverse(PARAMS, bad[3])
