"""Layers of a flow over images: where squeeze puts pixels, what is set from data, and which shapes are refused. The contract has the rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import nets
from jaxgen import transforms as T


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
    params, z = f.parts["data_init"](f.init(jax.random.key(0), x[0]), x)
    np.testing.assert_allclose(z[..., :2].mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(z[..., :2].std((0, 1, 2)), 1, atol=1e-5)
    np.testing.assert_array_equal(z[..., 2:], x[..., 2:])
    np.testing.assert_allclose(params["loc"], x[..., :2].mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(f.inverse(params, x[7]).z, z[7], atol=1e-5)


def test_bad_shapes_are_named():
    coupled = T.channel_coupling(T.scale_and_shift(), lambda out: nets.image_parameters(out, width=4))
    refused = {
        r"squeeze\(2\): noise of shape \(2, 2, 3\)": lambda: T.squeeze().forward((), jnp.zeros((2, 2, 3))),
        r"squeeze\(2\): event of shape \(3, 2, 1\)": lambda: T.squeeze().inverse((), jnp.zeros((3, 2, 1))),
        "pixelwise: f of density lower bound": lambda: T.pixelwise(T.uniform_dequantisation()),
        r"on_channels\(num=3\): noise of shape \(2, 2, 2\)": lambda: T.on_channels(T.lu(), 3).init(jax.random.key(0), jnp.zeros((2, 2, 2))),
        "at least 2 channels": lambda: coupled.init(jax.random.key(0), jnp.zeros((2, 2, 1))),
        "glow: event_shape=": lambda: jaxgen.zoo.build("glow", (3, 4, 1)),
    }
    for message, call in refused.items():
        with pytest.raises(ValueError, match=message):
            call()
