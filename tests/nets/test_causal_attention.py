"""Attention over the tokens before, against its formula; rotations, which keep lengths and depend on distances; the scale of dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.nets.causal_attention import FEWEST_TOKENS, CausalBlock, attended, rotated
from jaxgen.nets.net import call


def draw(*shape, dtype=np.float64):
    return jnp.asarray(3 * np.random.default_rng(sum(shape)).standard_normal(shape), dtype)


def dense(q, k, v):
    scores = jnp.einsum("qhc,khc->hqk", q, k) / np.sqrt(q.shape[-1])
    return jnp.einsum("hqk,khc->qhc", jax.nn.softmax(jnp.where(np.tri(len(q), dtype=bool), scores, -jnp.inf)), v)


@pytest.mark.parametrize("num", [1, 5, 2 * FEWEST_TOKENS, 3 * FEWEST_TOKENS + 50])
def test_each_token_has_the_softmax_mean_of_the_values_up_to_its_own(x64, num):
    """With its gradients, in one block and in several of unequal lengths."""
    with x64():
        q, k, v, slopes = (jnp.asarray(3 * np.random.default_rng(i).standard_normal((num, 2, 4))) for i in range(4))
        weighted = lambda f: jax.jit(jax.value_and_grad(lambda *a: jnp.sum(slopes * f(*a)), argnums=(0, 1, 2)))(q, k, v)
        for ours, theirs in zip(jax.tree.leaves(weighted(attended)), jax.tree.leaves(weighted(dense)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10 * num)
        i, head = num // 2, 1
        weights = np.exp(np.asarray(k)[: i + 1, head] @ np.asarray(q)[i, head] / np.sqrt(4))
        np.testing.assert_allclose(attended(q, k, v)[i, head], weights / weights.sum() @ np.asarray(v)[: i + 1, head], rtol=1e-10)


def test_attention_in_fewer_bits_keeps_its_dtype_and_far_scores_are_finite():
    q, k, v = (jnp.asarray(3 * np.random.default_rng(i).standard_normal((2 * FEWEST_TOKENS, 2, 4)), jnp.float32) for i in range(3))
    half = [a.astype(jnp.bfloat16) for a in (q, k, v)]
    means, rounded = attended(q, k, v), attended(*half)
    assert means.dtype == jnp.float32 and rounded.dtype == jnp.bfloat16
    np.testing.assert_allclose(means, dense(q, k, v), rtol=0, atol=1e-4)
    np.testing.assert_allclose(np.asarray(rounded, np.float32), dense(*(a.astype(jnp.float32) for a in half)), rtol=0, atol=0.1)
    slopes = jax.grad(lambda q, k, v: jnp.sum(attended(q, k, v)), (0, 1, 2))(300 * q, 300 * k, v)
    assert all(np.isfinite(s).all() for s in slopes)


def test_rotations_keep_lengths_and_products_depend_on_the_difference_of_angles_only(x64):
    with x64():
        q, k, angles = draw(6, 2, 8), draw(1, 2, 8), draw(6, 4)
        np.testing.assert_allclose(np.linalg.norm(rotated(q, angles), axis=-1), np.linalg.norm(q, axis=-1), rtol=1e-12)
        dot = lambda shift: jnp.sum(rotated(q, angles + shift) * rotated(jnp.broadcast_to(k, q.shape), 0 * angles + shift), -1)
        np.testing.assert_allclose(dot(0.0), dot(1.7), rtol=1e-10)
        quarter = rotated(jnp.asarray([[[1.0, 2.0]]]), jnp.asarray([[np.pi / 2]]))
        np.testing.assert_allclose(quarter, [[[-2.0, 1.0]]], atol=1e-12)


def test_a_token_by_its_cache_is_the_token_among_all(x64):
    with x64():
        block, h, angles = CausalBlock(6, 2, 1, 0.0, "xla", None), draw(5, 6), draw(5, 2)
        params = jax.tree.map(lambda s: draw(*s.shape) / 3, jax.eval_shape(block.init, jax.random.key(0), h, angles)["params"])
        cache = (jnp.zeros((2, 5, 4)), jnp.zeros((2, 5, 4)))
        rows = []
        for i in range(5):
            row, cache = call(block, params, h[i], cache, jnp.asarray(i), angles[i], method="step")
            rows.append(row)
        np.testing.assert_allclose(jnp.stack(rows), call(block, params, h, angles), rtol=1e-10)


@pytest.mark.parametrize("rate", [0.25, 0.8])
def test_dropout_zeroes_its_share_and_divides_what_stays(rate):
    block = CausalBlock(4, 1, 1, rate, "xla", None)
    dropped = np.asarray(block._dropped(jnp.ones((10_000,)), jax.random.key(0)))
    np.testing.assert_allclose(np.unique(dropped), [0, 1 / (1 - rate)], rtol=1e-6)
    assert abs((dropped == 0).mean() - rate) < 4.5 * np.sqrt(rate * (1 - rate) / 10_000)
