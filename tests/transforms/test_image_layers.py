"""Layers of a flow over images: where squeeze puts pixels, what is set from data, and which shapes are refused. The contract has the rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import nets
from jaxgen import transforms as T
from jaxgen.lifting import over_batch
from jaxgen.transform import Hooks, Preimage, bijection


def test_squeeze_makes_channels_of_each_block_of_pixels():
    x = np.arange(4 * 6 * 2, dtype=np.float32).reshape(4, 6, 2)
    z = np.asarray(T.squeeze().inverse((), jnp.asarray(x)).z)
    assert z.shape == (2, 3, 8)
    np.testing.assert_array_equal(z[1, 2], x[2:4, 4:6].ravel())
    np.testing.assert_array_equal(T.squeeze().forward((), jnp.asarray(z)), x)


def test_activation_norms_of_pixels_are_set_over_pixels_and_events_on_their_channels_only():
    f = T.on_channels(T.pixelwise(T.actnorm()), 2)
    rng = np.random.default_rng(0)
    x = jnp.asarray(3 * rng.standard_normal((50, 2, 3, 4)) + [1.0, -5.0, 2.0, 0.0], jnp.float32)
    params, z = f.hooks.data_init(f.init(jax.random.key(0), x[0]), x)
    np.testing.assert_allclose(z[..., :2].mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(z[..., :2].std((0, 1, 2)), 1, atol=1e-5)
    np.testing.assert_array_equal(z[..., 2:], x[..., 2:])
    np.testing.assert_allclose(params["loc"], x[..., :2].mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(f.inverse(params, x[7]).z, z[7], atol=1e-5)


def test_every_pixel_meets_the_condition_of_its_own_event():
    """Events are their condition and a constant: what is set from data is the constant, and nothing is left of any pixel."""

    def from_data(params, x, cond=None, keys=None):
        loc = jnp.mean(x - cond, 0)
        return loc, x - cond - loc

    shift = bijection(
        lambda key, z, cond=None: jnp.zeros_like(z),
        lambda params, z, cond=None: (z + params + cond, jnp.sum(cond)),
        lambda params, x, cond=None, key=None: Preimage(x - params - cond, -jnp.sum(cond)),
        hooks=Hooks(data_init=from_data),
    )
    cond = jnp.asarray([[1.0, 2.0], [30.0, 40.0], [500.0, 600.0]])
    x = jnp.broadcast_to(cond[:, None, None], (3, 2, 4, 2)) + 7
    params, z = T.pixelwise(shift).hooks.data_init(jnp.zeros(2), x, cond, None)
    np.testing.assert_array_equal(params, 7)
    np.testing.assert_array_equal(z, 0)
    many = T.pixelwise(shift._replace(many=over_batch(shift))).many
    pre, (back, log_det) = many.inverse(params, x, cond), many.forward_and_log_det(params, z, cond)
    np.testing.assert_array_equal(pre.z, 0)
    np.testing.assert_array_equal(back, x)
    # Of eight pixels each.
    np.testing.assert_array_equal([-pre.log_det, log_det], [8 * cond.sum(1)] * 2)


def test_bad_shapes_are_named():
    coupled = T.channel_coupling(T.scale_and_shift(), lambda out: nets.coupling_cnn(out, width=4))
    refused = {
        r"squeeze: noise of shape \(2, 2, 3\)": lambda: T.squeeze().forward((), jnp.zeros((2, 2, 3))),
        r"squeeze: event of shape \(3, 2, 1\)": lambda: T.squeeze().inverse((), jnp.zeros((3, 2, 1))),
        r"pixelwise: f=Transform\(lower bound\)": lambda: T.pixelwise(T.uniform_dequantisation()),
        r"on_channels: noise of shape \(2, 2, 2\)": lambda: T.on_channels(T.lu(), 3).init(jax.random.key(0), jnp.zeros((2, 2, 2))),
        "at least 2 channels": lambda: coupled.init(jax.random.key(0), jnp.zeros((2, 2, 1))),
        "glow: event_shape=": lambda: jaxgen.zoo.build("glow", (3, 4, 1)),
    }
    for message, call in refused.items():
        with pytest.raises(ValueError, match=message):
            call()


def test_each_number_of_a_channel_coupling_is_mapped_by_the_networks_output_at_its_pixel():
    """The network's output (channel, row, column) is a number that says so, and the scalar adds it."""
    shift = T.Scalar(1, lambda theta, z: (z + theta[0], jnp.zeros_like(z)), lambda theta, x: (x - theta[0], jnp.zeros_like(x)))
    places = 100 * jnp.arange(3.0)[:, None, None] + 10 * jnp.arange(2.0)[:, None] + jnp.arange(4.0)
    net = nets.Net(lambda key, *inputs: (), lambda params, *inputs: places.ravel())
    layer, z = T.channel_coupling(shift, lambda num: net), jnp.zeros((2, 4, 5))
    x = layer.forward((), z)
    np.testing.assert_array_equal(x[..., 2:], places.transpose(1, 2, 0))
    np.testing.assert_array_equal(x[..., :2], 0)
    np.testing.assert_array_equal(layer.inverse((), x).z, z)


def test_on_channels_passes_the_key_on(key):
    x = jnp.arange(1.0, 9.0).reshape(2, 2, 2)
    pre, alone = T.on_channels(T.absolute(), 1).inverse((), x, key=key), T.absolute().inverse((), x[..., :1], key=key)
    np.testing.assert_array_equal(pre.z, np.concatenate([alone.z, x[..., 1:]], -1))
    np.testing.assert_array_equal(pre.log_q, alone.log_q)
