"""Rows of numbers and categories: all mass is counted, by enumeration and on a grid, and training recovers known probabilities."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import bases, nets
from jaxgen import transforms as T
from jaxgen.model import Model, init, log_prob, sample, sample_and_log_prob

KEY = jax.random.key(0)


def net(out, features):
    return nets.column_made(out, features, width=16, depth=2)


def with_params(categories, noise="logistic", scale=0.5, cond=None):
    base = {"logistic": bases.logistic, "uniform": bases.uniform}[noise]((len(categories),))
    model = Model(base, T.autoregressive_columns(categories, T.mixture_logit(2), net, noise))
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: init(KEY, model, cond))
    return model, jax.tree.map(lambda s: jnp.asarray(scale * rng.standard_normal(s.shape), s.dtype), shapes)


@pytest.mark.parametrize("noise", ["logistic", "uniform"])
def test_probabilities_of_a_discrete_table_sum_to_one_and_are_those_of_the_draws(noise):
    model, params = with_params((3, 2, 4), noise)
    rows = np.array(list(itertools.product(range(3), range(2), range(4))), np.float32)
    p = np.exp(log_prob(model, params, rows).value, dtype=np.float64)
    assert abs(p.sum() - 1) < 1e-5
    assert p.max() / p.min() > 3
    num = 8_000
    x, value = sample_and_log_prob(KEY, model, params, num)
    x = np.asarray(x)
    assert {tuple(row) for row in x} <= {tuple(row) for row in rows}
    index = (x @ [8, 4, 1]).astype(int)
    np.testing.assert_allclose(value.value, np.log(p)[index], rtol=1e-3, atol=1e-4)
    counts = np.bincount(index, minlength=24)
    assert np.sum((counts - num * p) ** 2 / (num * p)) < 24 + 5 * np.sqrt(48)


def test_a_mixed_density_integrates_over_numbers_and_sums_over_categories():
    model, params = with_params((3, 0), scale=0.4)
    grid = np.linspace(-60, 60, 12_001, dtype=np.float32)
    rows = np.array([(k, g) for k in range(3) for g in grid], np.float32)
    density = np.exp(log_prob(model, params, rows).value, dtype=np.float64).reshape(3, -1)
    mass = density.sum(1) * (grid[1] - grid[0])
    assert abs(mass.sum() - 1) < 1e-3
    # The second column depends on the first: the shapes differ, not the heights only.
    assert np.abs(density[0] / mass[0] - density[1] / mass[1]).max() > 0.02
    x = np.asarray(sample(KEY, model, params, 6_000))
    np.testing.assert_allclose(np.bincount(x[:, 0].astype(int), minlength=3) / 6_000, mass, atol=0.03)


def test_codes_that_do_not_exist_have_no_density_and_finite_gradients():
    model, params = with_params((3, 0))

    def value(params, x):
        pre = model.transform.inverse(params, x)
        return model.base.log_prob(pre.z) + pre.log_det

    run = jax.jit(jax.value_and_grad(value))
    for code in (-1.0, 3.0, 0.5, np.inf):
        log_density, gradient = run(params, jnp.asarray([code, 0.3]))
        assert log_density == -np.inf
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("noise", ["logistic", "uniform"])
def test_every_code_comes_back_however_unlikely(noise):
    scalar = T.categorical(50, noise)
    theta = jnp.linspace(-40, 40, 50)
    codes = jnp.arange(50.0)
    for logits in (theta, theta[::-1], 0 * theta, jnp.where(codes == 25, 60.0, -60.0)):
        z, log_det = jax.jit(jax.vmap(lambda x, logits=logits: scalar.inverse(logits, x)))(codes)
        assert np.isfinite(log_det).all()
        np.testing.assert_array_equal(jax.jit(jax.vmap(lambda z, logits=logits: scalar.forward(logits, z)[0]))(z), codes)


def test_bad_counts_are_named():
    with pytest.raises(ValueError, match=r"categories\[1\]=1"):
        T.autoregressive_columns((0, 1), T.mixture_logit(2), net)
    with pytest.raises(ValueError, match="num_categories=1"):
        T.categorical(1)
    with pytest.raises(ValueError, match="noise='normal'"):
        T.categorical(3, "normal")
    with pytest.raises(ValueError, match=r"tabular: categories=\(0,\); accepted: one count for each of the 2 columns"):
        jaxgen.zoo.build("tabular", (2,), categories=(0,))
