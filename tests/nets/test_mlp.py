"""How times enter a perceptron, by hand: features, and the step that is left to go."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets
from jaxgen.nets.conditioning import conditioned
from jaxgen.nets.mlp import silu, time_features


def features(t, num):
    angles = np.pi / 2 * 2.0 ** np.arange(num) * t
    return np.concatenate([[t], np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_time_features_are_t_and_fourier_pairs_from_a_quarter_of_a_turn(x64, t, dtype):
    with x64():
        value = time_features(jnp.asarray(t, dtype), 4)
        assert value.dtype == dtype
        np.testing.assert_allclose(value, features(t, 4), atol=1e-6 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("make", [nets.time_mlp, nets.times_mlp])
def test_without_a_hidden_layer_it_is_affine_in_the_event_the_times_and_the_condition(x64, make):
    with x64():
        x, cond = np.array([0.2, -1.0]), np.array([0.5])
        times = (0.3, 0.9)[: 1 + (make is nets.times_mlp)]
        inputs = (jnp.asarray(x), *map(jnp.asarray, times), jnp.asarray(cond))
        net = make(2, depth=0, num_frequencies=3)
        shapes = jax.eval_shape(net.init, jax.random.key(0), *inputs)
        params = jax.tree.map(lambda s: jnp.asarray(np.random.default_rng(s.size).standard_normal(s.shape)), shapes)
        kernel, bias = (np.asarray(params["_MLP_0"]["Dense_0"][name]) for name in ("kernel", "bias"))
        steps = [times[0], *(s - times[0] for s in times[1:])]
        h = np.concatenate([x, *(features(t, 3) for t in steps), cond])
        np.testing.assert_allclose(net.apply(params, *inputs), h @ kernel + bias, rtol=1e-12)


def test_an_embedding_is_two_layers_of_the_time_and_of_the_step_plus_the_condition(x64):
    """The embedding itself, shown by a body that returns it: silu(W2 silu(W1 features + b1) + b2 + C cond)."""

    class Show(nn.Module):
        @nn.compact
        def __call__(self, x, embedding):
            return embedding

    with x64():
        net = conditioned("show", Show(), 3, 2, 2)
        inputs = (jnp.zeros((1, 1, 1)), jnp.asarray(0.3), jnp.asarray(0.9), jnp.asarray([2.0, -1.0]))
        shapes = jax.eval_shape(net.init, jax.random.key(0), *inputs)
        params = jax.tree.map(lambda s: jnp.asarray(np.random.default_rng(s.size).standard_normal(s.shape)), shapes)
        layer = lambda i, h: h @ params[f"Dense_{i}"]["kernel"] + params[f"Dense_{i}"].get("bias", 0.0)
        inner = layer(1, jnp.asarray(np.concatenate([features(0.3, 2), features(0.6, 2)])))
        expected = silu(layer(0, silu(inner)) + layer(2, inputs[3]))
        np.testing.assert_allclose(net.apply(params, *inputs), expected, rtol=1e-12, atol=1e-12)
        assert "bias" not in params["Dense_2"]
