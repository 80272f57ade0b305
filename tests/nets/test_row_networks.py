"""Networks over rows and over columns: what an output may depend on, the cache of sampling, and codes that are none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets
from jaxgen.nets.pixel_codes import Codes


def filled(net, *inputs, scale=0.7):
    rng, shapes = np.random.default_rng(0), jax.eval_shape(net.init, jax.random.key(0), *inputs)
    return jax.tree.map(lambda s: jnp.asarray(scale * rng.standard_normal(s.shape), s.dtype), shapes)


@pytest.mark.parametrize("features", [(1, 3, 2, 1), (2,), (1, 1)])
@pytest.mark.parametrize("cond_dim", [None, 2])
def test_a_column_depends_on_all_features_of_earlier_columns_and_on_no_others(features, cond_dim):
    net, rng = nets.column_made(3, features, width=12, depth=2), np.random.default_rng(1)
    h = jnp.asarray(rng.standard_normal(sum(features)), jnp.float32)
    cond = None if cond_dim is None else jnp.asarray(rng.standard_normal(cond_dim), jnp.float32)
    params = filled(net, h, cond)
    jacobian = np.abs(jax.jit(jax.jacrev(lambda h: net.apply(params, h, cond)))(h)).sum(1)
    column = np.repeat(np.arange(len(features)), features)
    assert jacobian.shape == (len(features), sum(features))
    np.testing.assert_array_equal(jacobian > 0, np.arange(len(features))[:, None] > column)
    if cond is not None:
        assert np.all(np.abs(jax.jacrev(lambda c: net.apply(params, h, c))(cond)).sum(1) > 0)


@pytest.fixture(scope="module")
def rows():
    """Outputs, their Jacobian and the solution by substitution of a transformer over rows, compiled once."""
    net = nets.causal_row_transformer(2, width=8, depth=2, num_heads=2)
    rng = np.random.default_rng(1)
    z, cond = (jnp.asarray(rng.standard_normal(shape)) for shape in ((4, 3), (2,)))
    params = filled(net, z, cond)
    f = lambda theta, z: (jnp.tanh(theta[:, 0]) + jnp.exp(jnp.tanh(theta[:, 1])) * z, theta[:, 1])

    @jax.jit
    def run(z, cond):
        x, aux = net.substitute(params, f, z, cond)
        thetas = net.apply(params, x, cond)
        return x, aux, thetas, jax.vmap(f)(thetas, z), *jax.jacrev(lambda *inputs: net.apply(params, *inputs), (0, 1))(x, cond)

    return run(z, cond)


def test_a_row_depends_on_all_numbers_of_earlier_rows_and_on_no_others(rows):
    by_x, by_cond = (np.asarray(a) for a in rows[4:])
    assert by_x.shape == (4, 3, 2, 4, 3)
    influence = np.abs(by_x).max((1, 2)) > 0
    np.testing.assert_array_equal(influence, np.broadcast_to(np.tri(4, k=-1, dtype=bool)[:, :, None], influence.shape))
    assert np.all(np.abs(by_cond) > 0)


def test_substitution_over_rows_solves_the_network(rows):
    x, aux, thetas, (expected, expected_aux) = rows[:4]
    assert thetas.shape == (4, 3, 2)
    np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(aux, expected_aux, rtol=1e-4, atol=1e-4)


def test_it_starts_at_zero_and_a_bad_event_is_named():
    net = nets.causal_row_transformer(1, width=4, depth=1, num_heads=1)
    x = jnp.ones((2, 2))
    assert not np.any(net.apply(net.init(jax.random.key(0), x), x))
    with pytest.raises(ValueError, match=r"causal_row_transformer: event of shape \(3,\); accepted: \(rows"):
        net.init(jax.random.key(0), jnp.zeros(3))
    with pytest.raises(ValueError, match="causal_row_transformer: outputs=0; accepted"):
        nets.causal_row_transformer(0)


def test_codes_are_rows_of_a_table_that_rises_in_its_first_column_and_others_are_zeros():
    module, x = Codes(5), jnp.asarray([0.0, 3.0, 4.0, 2.5, -1.0, 5.0])
    params = module.init(jax.random.key(0), x)
    y, table = np.asarray(module.apply(params, x)), np.asarray(params["params"]["Dense_0"]["kernel"])
    np.testing.assert_allclose(y[:3], table[[0, 3, 4]], rtol=1e-6)
    assert not y[3:].any()
    np.testing.assert_allclose(table[:, 0], np.linspace(-1, 1, 5), atol=1e-6)
