"""Convolutional networks: every size they claim, and what reaches what."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets
from jaxgen.nets.conv_autoencoder import norm, sizes

COND = jnp.asarray([0.3, -1.0])


@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 7, 2), (28, 28, 1), (33, 12, 3), (64, 4, 1), (64, 64, 1)])
def test_every_size_goes_in_and_comes_out(shape):
    """By shapes alone: tracing is cheap."""
    x, z = jnp.zeros(shape), jnp.zeros(3)
    for net, given, out in (
        (nets.conv_encoder(6, width=4), x, (6,)),
        (nets.conv_decoder(shape, width=4), z, shape),
    ):
        params = jax.eval_shape(net.init, jax.random.key(0), given, COND)
        found = jax.eval_shape(net.apply, params, given, COND)
        assert found.shape == out and found.dtype == jnp.float32


def test_sides_are_halved_rounded_up():
    assert sizes("f", 28, 28) == [(28, 28), (14, 14), (7, 7)]
    assert sizes("f", 33, 12) == [(33, 12), (17, 6)]
    assert sizes("f", 64, 64)[-1] == sizes("f", 32, 32)[-1] == (4, 4)


@pytest.mark.parametrize(("channels", "groups"), [(16, 8), (12, 4), (3, 1)])
def test_normalisation_is_of_groups_of_channels_of_one_image(channels, groups):
    class Norm(nn.Module):
        @nn.compact
        def __call__(self, h):
            return norm(h)

    h = np.random.default_rng(0).standard_normal((5, 6, channels)) * 3 + 2
    parts = h.reshape(5, 6, groups, -1)
    expected = (parts - parts.mean((0, 1, 3), keepdims=True)) / parts.std((0, 1, 3), keepdims=True)
    y = Norm().init_with_output(jax.random.key(0), jnp.asarray(h, jnp.float32))[0]
    np.testing.assert_allclose(y, expected.reshape(h.shape), rtol=1e-3, atol=1e-4)


def test_every_pixel_and_the_condition_reach_every_output():
    """From an odd size, in float64, at params away from zero."""
    rng = np.random.default_rng(0)

    def filled(net, given):
        shapes = jax.eval_shape(net.init, jax.random.key(0), given, COND)
        return jax.tree.map(lambda s: jnp.asarray(0.5 * rng.standard_normal(s.shape), jnp.float32), shapes)

    x, z = jnp.asarray(rng.standard_normal((9, 5, 1)), jnp.float32), jnp.asarray(rng.standard_normal(2), jnp.float32)
    for net, given in ((nets.conv_encoder(2, width=4, depth=0), x), (nets.conv_decoder((9, 5, 1), width=4), z)):
        params = filled(net, given)
        by_input, by_cond = jax.jit(jax.jacfwd(net.apply, (1, 2)))(params, given, COND)
        for jacobian in (by_input, by_cond):
            assert np.isfinite(jacobian).all() and np.all(np.abs(jacobian) > 0)


@pytest.mark.parametrize("shape", [(3, 8, 1), (8, 65, 1)])
def test_other_sizes_are_refused(shape):
    with pytest.raises(ValueError, match=f"{shape[0]} x {shape[1]} pixels; accepted: 4 to 64"):
        nets.conv_decoder(shape)
    with pytest.raises(ValueError, match="accepted: 4 to 64"):
        jax.eval_shape(nets.conv_encoder(2).init, jax.random.key(0), jnp.zeros(shape))
    with pytest.raises(ValueError, match="width=0"):
        nets.conv_encoder(2, width=0)
