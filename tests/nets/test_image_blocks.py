"""Attention and group normalisation against their formulas, and the rule of halving."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.nets.image_blocks import Attention, GroupNorm, resolutions, up_to


def filled(module, *inputs):
    rng, shapes = np.random.default_rng(0), jax.eval_shape(module.init, jax.random.key(0), *inputs)
    return jax.tree.map(lambda s: jnp.asarray(rng.standard_normal(s.shape), s.dtype), shapes)


def test_attention_is_the_softmax_of_scaled_products(x64):
    with x64():
        h = np.random.default_rng(1).standard_normal((5, 6))
        module = Attention(2, zero=False)
        params = filled(module, jnp.asarray(h))
        first, last = (params["params"][f"Dense_{i}"] for i in (0, 1))
        # The first layer's outputs are heads of queries, then of keys, then of values.
        q, k, v = np.split(np.asarray(h @ first["kernel"] + first["bias"]).reshape(5, 6, 3), 3, 1)
        mixed = np.zeros((5, 2, 3))
        for head in range(2):
            weights = np.exp(q[:, head] @ k[:, head].T / np.sqrt(3))
            mixed[:, head] = weights / weights.sum(1, keepdims=True) @ v[:, head]
        expected = mixed.reshape(5, 6) @ last["kernel"] + last["bias"]
        np.testing.assert_allclose(module.apply(params, jnp.asarray(h)), expected, rtol=1e-10)
        zero = Attention(2)
        assert not np.any(zero.apply(zero.init(jax.random.key(0), jnp.asarray(h)), jnp.asarray(h)))


@pytest.mark.parametrize(("channels", "groups"), [(12, 3), (3, 1), (6, 1), (256, 32)])
def test_group_norm_subtracts_the_mean_of_each_group_and_divides_by_its_deviation(channels, groups):
    h = jnp.asarray(3 + 5 * np.random.default_rng(0).standard_normal((6, 7, channels)), jnp.float32)
    y = np.asarray(GroupNorm(affine=False).apply({}, h))
    parts = np.asarray(h, np.float64).reshape(6, 7, groups, -1)
    expected = (parts - parts.mean((0, 1, 3), keepdims=True)) / parts.std((0, 1, 3), keepdims=True)
    np.testing.assert_allclose(y, expected.reshape(h.shape), rtol=1e-3, atol=1e-4)
    affine = GroupNorm().apply({"params": {"scale": jnp.arange(1.0, channels + 1), "bias": -jnp.ones(channels)}}, h)
    np.testing.assert_allclose(affine, y * np.arange(1, channels + 1) - 1, rtol=1e-4, atol=1e-3)


def test_sizes_are_halved_rounding_up_while_both_sides_keep_four():
    assert resolutions(28, 28, 9) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert resolutions(28, 28, 2) == [(28, 28), (14, 14)]
    assert resolutions(6, 100, 9) == [(6, 100)]
    assert all(min(side) >= 4 for n in range(4, 70) for side in resolutions(n, n + 3, 9))
    assert resolutions(7, 9, 9, 8) == [(7, 9)]


def test_up_to_repeats_each_place_and_is_undone_by_every_second_one():
    h = jnp.arange(3 * 2 * 2.0).reshape(3, 2, 2)
    large = up_to(h, 5, 4)
    assert large.shape == (5, 4, 2)
    np.testing.assert_array_equal(large[::2, ::2], h)
    np.testing.assert_array_equal(large[1::2, 1::2], h[:2])
