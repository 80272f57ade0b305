"""Networks over pixels: what a row of logits may depend on, sampling that computes each place once, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, nets
from jaxgen import transforms as T
from jaxgen.model import Model, log_prob, sample_and_log_prob

NETS = {
    "pixelcnn": lambda levels, **options: nets.pixelcnn(levels, width=4, depth=3, **{"reach": 1, **options}),
    "causal_transformer": lambda levels, **options: nets.causal_transformer(
        levels, width=8, depth=2, num_heads=2, **{"reach": 1, **options}
    ),
}
over_nets = pytest.mark.parametrize("name", NETS)


def drawn(net, x, cond=None, scale=0.5):
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), x, cond))
    return jax.tree.map(lambda s: jnp.asarray(scale * rng.standard_normal(s.shape), s.dtype), shapes)


@over_nets
@pytest.mark.parametrize(("shape", "levels"), [((3, 3, 1), 2), ((2, 3, 2), 3)])
def test_logits_depend_on_all_earlier_pixels_and_on_no_later_one(name, shape, levels):
    """By changing one pixel at a time: codes enter through a table, so that a Jacobian would be zero whatever the masks."""
    net = NETS[name](levels)
    x = np.random.default_rng(1).integers(0, levels, shape).astype(np.float32)
    d = x.size
    changed = np.tile(x.ravel(), (d + 1, 1))
    changed[np.arange(d), np.arange(d)] = (x.ravel() + 1) % levels
    params = drawn(net, jnp.asarray(x), jnp.ones(2))
    logits = np.asarray(jax.jit(jax.vmap(lambda x: net.apply(params, x, jnp.ones(2))))(changed.reshape(-1, *shape).astype(np.float32)))
    assert logits.shape == (d + 1, d, levels)
    effect = np.abs(logits[:d] - logits[d]).max(2)
    assert np.all(effect[np.tril_indices(d)] == 0)
    assert np.all(effect[np.triu_indices(d, 1)] > 1e-6)


@over_nets
def test_bfloat16_and_recomputing_blocks_change_the_logits_by_roundings_only(name):
    x = jnp.asarray(np.random.default_rng(1).integers(0, 2, (3, 3, 1)), jnp.float32)
    plain, again, rough = (NETS[name](2, **options) for options in ({}, {"remat": True}, {"dtype": "bfloat16"}))
    params = drawn(plain, x)
    total = lambda net: lambda params: jnp.sum(net.apply(params, x) ** 2)
    gradients = jax.jit(lambda p: [jax.grad(total(net))(p) for net in (plain, again)])(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), *gradients)
    logits, rounded = jax.jit(lambda p: [net.apply(p, x) for net in (plain, rough)])(params)
    assert rounded.dtype == jnp.float32
    assert 0 < np.abs(rounded - logits).max() < 0.05 * np.abs(logits).max()


@over_nets
def test_every_image_is_counted_once_and_draws_are_given_their_own_probability(name):
    """All 16 binary images of 2 x 2: probabilities sum to one, frequencies of draws are theirs, and any noise of a cell gives its image."""
    net = NETS[name](2)
    model = Model(bases.uniform((2, 2, 1)), T.autoregressive(T.categorical(2), net))
    images = np.stack(np.meshgrid(*[[0.0, 1.0]] * 4, indexing="ij"), -1).reshape(16, 2, 2, 1).astype(np.float32)
    params = drawn(net, jnp.asarray(images[0]), scale=1.0)
    p = np.exp(log_prob(model, params, images).value, dtype=np.float64)
    assert abs(p.sum() - 1) < 1e-5 and p.max() / p.min() > 3
    x, value = sample_and_log_prob(jax.random.key(0), model, params, 4_000)
    index = (np.asarray(x).reshape(-1, 4) @ [8, 4, 2, 1]).astype(int)
    np.testing.assert_allclose(value.value, np.log(p)[index], rtol=1e-4, atol=1e-5)
    counts = np.bincount(index, minlength=16)
    assert np.sum((counts - 4_000 * p) ** 2 / (4_000 * p)) < 15 + 5 * np.sqrt(30)


@over_nets
def test_substitution_with_its_cache_is_that_by_whole_evaluations(name):
    shape = (3, 4, 2)
    net = NETS[name](3, reach=2)
    z = jnp.asarray(np.random.default_rng(2).random((4, *shape)), jnp.float32)
    cond = jnp.asarray(np.random.default_rng(3).standard_normal((4, 2)), jnp.float32)
    params = drawn(net, z[0], cond[0])
    both = [T.autoregressive(T.categorical(3), n).forward_and_log_det for n in (net, net._replace(substitute=None))]
    (x, log_det), (expected, whole) = (jax.jit(jax.vmap(lambda z, c, f=f: f(params, z, c)))(z, cond) for f in both)
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_allclose(log_det, whole, rtol=1e-5)
    assert len(np.unique(x)) == 3


def test_dropout_acts_with_a_key_only_and_leaves_the_mean():
    x = jnp.asarray(np.random.default_rng(1).integers(0, 2, (3, 3, 1)), jnp.float32)
    net, whole = (nets.causal_transformer(2, width=8, depth=1, num_heads=2, dropout=rate) for rate in (0.5, 0.0))
    params = drawn(net, x, scale=0.1)
    keys = jax.random.split(jax.random.key(0), 2_000)
    noisy = np.asarray(jax.jit(jax.vmap(lambda k: net.apply(params, x, None, k)))(keys))
    np.testing.assert_array_equal(net.apply(params, x), whole.apply(params, x))
    assert noisy.std(0).max() > 1e-3
    # Nearly linear at such small params, where the mean of what is kept is the whole.
    np.testing.assert_allclose(noisy.mean(0), net.apply(params, x), atol=5 * noisy.std(0).max() / np.sqrt(2_000) + 2e-3)


def test_uniform_cells_of_many_levels_end_within_the_uniform():
    scalar = T.categorical(256, min_mass=1e-4)
    theta = jnp.asarray(np.random.default_rng(0).standard_normal((64, 256)), jnp.float32)
    z, log_det = jax.jit(jax.vmap(lambda t: scalar.inverse(t, jnp.asarray(255.0))))(theta.at[:, 255].set(-30.0))
    assert np.all(z < 1) and np.isfinite(log_det).all()
    assert np.all(jax.jit(jax.vmap(scalar.forward))(theta.at[:, 255].set(-30.0), z)[0] == 255)


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match="levels=1"):
        nets.pixelcnn(1)
    with pytest.raises(ValueError, match="reach=0"):
        nets.causal_transformer(2, reach=0)
    with pytest.raises(ValueError, match="dtype='float16'; accepted: None, 'float32', 'bfloat16'"):
        nets.causal_transformer(2, dtype="float16")
    with pytest.raises(ValueError, match="attention='flash'"):
        nets.causal_transformer(2, attention="flash")
    with pytest.raises(ValueError, match=r"event of shape \(4,\)"):
        nets.pixelcnn(2).init(jax.random.key(0), jnp.zeros(4))
