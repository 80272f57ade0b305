"""Modules of Equinox and of NNX are networks like any other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxgen
from jaxgen import nets


class TwoInputs(eqx.Module):
    layer: eqx.nn.Linear
    activation: object

    def __call__(self, x, cond=None):
        return self.activation(self.layer(x if cond is None else jnp.concatenate([x, cond])))


def equinox_module(key, wide=3, out=4):
    return eqx.nn.MLP(wide, out, 8, 2, key=key)


def nnx_module(rngs, wide=3, out=4):
    return nnx.Sequential(nnx.Linear(wide, 8, rngs=rngs), jnp.tanh, nnx.Linear(8, out, rngs=rngs))


NETS = {"from_equinox": nets.from_equinox(equinox_module), "from_nnx": nets.from_nnx(nnx_module)}
MODULES = {"from_equinox": equinox_module, "from_nnx": lambda key: nnx_module(nnx.Rngs(key))}
parametrize = pytest.mark.parametrize("name", NETS)


@parametrize
def test_the_net_is_the_module(name, key):
    """Equal outputs, and the same ones under jit and over a batch of keys and events."""
    net, x = NETS[name], jnp.linspace(-1.0, 1.0, 3)
    params = net.init(key, x)
    expected = MODULES[name](key)(x)
    np.testing.assert_allclose(net.apply(params, x), expected, rtol=1e-6)
    np.testing.assert_allclose(net.apply(jax.jit(net.init)(key, x), x, None), expected, rtol=1e-5)
    keys = jax.random.split(key, 3)
    several = jax.vmap(net.init, in_axes=(0, None))(keys, x)
    np.testing.assert_allclose(jax.vmap(net.apply, in_axes=(0, None))(several, x)[1], MODULES[name](keys[1])(x), rtol=1e-5)


@parametrize
def test_gradients_reach_all_params(name, key):
    net, x = NETS[name], jnp.ones(3)
    params = net.init(key, x)
    assert len(params) >= 4 and all(isinstance(leaf, jax.Array) for leaf in params.values())
    gradients = jax.grad(lambda params: jnp.sum(net.apply(params, x) ** 2))(params)
    assert all(float(jnp.abs(gradient).max()) > 0 for gradient in gradients.values())


@parametrize
def test_a_wrong_width_names_the_layer_and_what_it_takes(name, key):
    net = NETS[name]
    with pytest.raises(ValueError, match=rf"{name}: \w+ does not take inputs of shapes \(2,\) .*accepted: inputs that fit .*(\(8, 3\)|\(3, 8\))"):
        net.init(key, jnp.ones(2))
    with pytest.raises(ValueError, match=rf"{name}: "):
        net.apply(net.init(key, jnp.ones(3)), jnp.ones(5))


def test_a_condition_is_a_second_input(key):
    net = nets.from_equinox(lambda key: TwoInputs(eqx.nn.Linear(3, 2, key=key), jnp.tanh))
    assert net.apply(net.init(key, jnp.ones(1), jnp.ones(2)), jnp.ones(1), jnp.ones(2)).shape == (2,)


def test_what_cannot_be_trained_is_refused(key):
    with pytest.raises(TypeError, match="from_equinox: make=MLP, a module; accepted: a function that makes it"):
        nets.from_equinox(equinox_module(key))
    with pytest.raises(TypeError, match="from_nnx: make=Sequential, a module"):
        nets.from_nnx(nnx_module(nnx.Rngs(0)))
    with pytest.raises(ValueError, match="from_nnx: the module has state of .*; accepted: a module all of whose state is nnx.Param"):
        nets.from_nnx(lambda rngs: nnx.BatchNorm(3, rngs=rngs)).init(key, jnp.ones(3))
    with pytest.raises(ValueError, match=r"from_equinox: TwoInputs holds .*int32.*; accepted: arrays of floats"):
        nets.from_equinox(lambda key: TwoInputs(eqx.nn.Linear(3, 2, key=key), jnp.arange(2))).init(key, jnp.ones(3))


@parametrize
def test_a_coupling_reads_it(name, key):
    make, module = getattr(nets, name), equinox_module if name == "from_equinox" else nnx_module
    scalar, z = jaxgen.transforms.scale_and_shift(), jnp.asarray([0.3, -0.2])
    layer = jaxgen.transforms.coupling(scalar, lambda out: make(lambda source: module(source, 1, out)))
    params = layer.init(key, z)
    np.testing.assert_allclose(layer.inverse(params, layer.forward(params, z)).z, z, rtol=1e-5)
