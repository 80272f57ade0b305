"""Networks: which inputs an output may depend on, what zero initialisation gives, what is refused."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets
from jaxgen.nets.mlp import ACTIVATIONS


@pytest.mark.parametrize("d", [1, 2, 5, 20])
@pytest.mark.parametrize("cond_dim", [None, 2])
def test_masked_outputs_depend_on_earlier_inputs_only_and_on_all_of_them(d, cond_dim):
    """Width 4 below d too: not every unit order can be present, but every earlier input is seen, and none that is not earlier."""
    net, rng = nets.made(3, width=4, depth=2), np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal(d), jnp.float32)
    cond = None if cond_dim is None else jnp.asarray(rng.standard_normal(cond_dim), jnp.float32)
    shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), x, cond))
    params = jax.tree.map(lambda s: jnp.asarray(rng.standard_normal(s.shape), jnp.float32), shapes)
    jacobian = np.abs(jax.jit(jax.jacrev(lambda x: net.apply(params, x, cond)))(x)).sum(1)
    assert jacobian.shape == (d, d)
    assert np.all(np.triu(jacobian) == 0)
    assert np.all(jacobian[np.tril_indices(d, -1)] > 0)
    if cond is not None:
        seen = np.abs(jax.jacrev(lambda c: net.apply(params, x, c))(cond)).sum((1, 2))
        assert np.all(seen > 0)


@pytest.mark.parametrize(("d", "cond_dim", "width"), [(1, None, 9), (5, 2, 9), (14, None, 9), (23, 2, 3)])
def test_forward_substitution_solves_the_network_in_order_with_its_derivative(d, cond_dim, width, x64):
    """`x = f(apply(x), z)` row by row; with J = d f(apply(x), z) / dx, which is strictly lower triangular, dx/dz = (I - J)^-1 df/dz."""
    with x64():
        net, rng = nets.made(2, width=width, depth=2), np.random.default_rng(0)
        z = jnp.asarray(rng.standard_normal(d))
        cond = None if cond_dim is None else jnp.asarray(rng.standard_normal(cond_dim))
        shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), z, cond))
        params = jax.tree.map(lambda s: jnp.asarray(rng.standard_normal(s.shape)), shapes)

        def rows(x, z):
            return jax.vmap(lambda theta, z: (theta[0] + jnp.exp(jnp.tanh(theta[1])) * z, theta[1]))(net.apply(params, x, cond), z)

        def solved(z):
            return net.substitute(params, lambda theta, z: (theta[0] + jnp.exp(jnp.tanh(theta[1])) * z, theta[1]), z, cond)

        (x, aux), jacobian = jax.jit(lambda z: (solved(z), jax.jacfwd(solved)(z)[0]))(z)
        expected, by_x, by_z = jax.jit(lambda x, z: (rows(x, z), *(jax.jacrev(rows, i)(x, z)[0] for i in (0, 1))))(x, z)
        np.testing.assert_allclose(x, expected[0], rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(aux, expected[1], rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(jacobian, np.linalg.solve(np.eye(d) - by_x, by_z), rtol=1e-9, atol=1e-9)


def test_zero_last_layers_start_at_the_zero_function(key):
    x, t, c = jnp.ones(3), jnp.asarray(0.4), jnp.ones(2)
    masked, plain, timed = nets.made(4, width=8), nets.mlp(5, width=8, zero_last=True), nets.time_mlp(3, width=8)
    for net, inputs, shape in ((masked, (x, c), (3, 4)), (plain, (x, c), (5,)), (timed, (x, t, c), (3,))):
        y = net.apply(net.init(key, *inputs), *inputs)
        assert y.shape == shape and not np.any(y)


def test_a_network_in_time_tells_the_two_ends_apart():
    net, rng = nets.time_mlp(2, width=16, depth=2), np.random.default_rng(0)
    x = jnp.asarray([0.3, -0.2])
    shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), x, jnp.zeros(()), None))
    params = jax.tree.map(lambda s: jnp.asarray(rng.standard_normal(s.shape), jnp.float32), shapes)
    y = [np.asarray(net.apply(params, x, jnp.asarray(t), None)) for t in (0.0, 0.5, 1.0)]
    assert min(np.abs(y[0] - y[2]).max(), np.abs(y[0] - y[1]).max(), np.abs(y[1] - y[2]).max()) > 1e-2


def test_any_linen_module_is_a_net(key):
    net = nets.from_linen(nn.Dense(4))
    params = net.init(key, jnp.ones(3))
    np.testing.assert_allclose(net.apply(params, jnp.ones(3)), params["kernel"].sum(0) + params["bias"], rtol=1e-6)


def test_conditions_of_any_number_type_are_taken(key):
    net = nets.mlp(2, width=8)
    params = net.init(key, jnp.ones(3), jnp.asarray([1, 2]))
    assert net.apply(params, jnp.ones(3), jnp.asarray([1, 2])).dtype == jnp.float32


@pytest.mark.parametrize("make", [nets.mlp, nets.time_mlp, nets.made])
def test_bad_arguments_are_named(make):
    with pytest.raises(ValueError, match="activation='swish'; accepted: silu"):
        make(2, activation="swish")
    for options in ({"width": 0}, {"width": 2.5}, {"width": "8"}, {"depth": -1}):
        ((name, value),) = options.items()
        with pytest.raises(ValueError, match=f"{make.__name__}: {name}={value!r}; accepted: an integer"):
            make(2, **options)
    with pytest.raises(ValueError, match="out(puts_per_input)?=0"):
        make(0)


def test_silu_is_its_definition_far_out_too():
    x = np.linspace(-90.0, 90.0, 181, dtype=np.float32)
    np.testing.assert_allclose(ACTIVATIONS["silu"](jnp.asarray(x)), x / (1 + np.exp(-x.astype(np.float64))), rtol=1e-6, atol=1e-5)
    assert np.isfinite(jax.jit(jax.vmap(jax.grad(ACTIVATIONS["silu"])))(jnp.asarray(x))).all()
