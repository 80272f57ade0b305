"""Repeated layers: the size of the program, the memory of a training step, and that neither option changes a value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets
from jaxgen import transforms as T

LAYER = T.chain(T.coupling(T.scale_and_shift(), lambda out: nets.mlp(out, width=32, depth=2)), T.flip())


def filled(flow):
    rng, shapes = np.random.default_rng(0), jax.eval_shape(flow.init, jax.random.key(0), jnp.zeros(4))
    return jax.tree.map(lambda s: jnp.asarray(0.3 * rng.standard_normal(s.shape), jnp.float32), shapes)


def lowered(flow, num_events=64):
    """The gradient of a likelihood, by params, of a batch of events."""

    def loss(params, x):
        pre = jax.jit(jax.vmap(lambda x: flow.inverse(params, x)))(x)
        return jnp.mean(0.5 * jnp.sum(pre.z**2, 1) - pre.log_det)

    return jax.jit(jax.value_and_grad(loss)).lower(filled(flow), jnp.ones((num_events, 4)))


def scratch_memory(num, **options):
    compiled = lowered(T.repeat(LAYER, num, **options), 512).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_the_program_of_sixty_four_layers_is_that_of_four():
    few, many = (len(lowered(T.repeat(LAYER, num)).as_text()) for num in (4, 64))
    assert many < 1.1 * few
    written_out = len(lowered(T.repeat(LAYER, 8, unroll=8)).as_text())
    assert written_out > 2 * few


def test_memory_of_a_training_step_grows_sublinearly_with_remat():
    """Four times the layers: the state of every layer without, of every group of sqrt(num) with."""
    plain, remat = ([scratch_memory(num, **options) for num in (16, 64)] for options in ({}, {"remat": True}))
    assert plain[1] > 3 * plain[0]
    assert remat[1] < 2.5 * remat[0] and remat[1] < 0.25 * plain[1]


@pytest.mark.parametrize("options", [{"remat": True}, {"unroll": 3}, {"remat": True, "unroll": 2}], ids=str)
def test_neither_option_changes_a_value_or_a_gradient(options):
    """Seven layers are three groups of two and one left over, which is first in one direction and last in the other."""
    plain, other = T.repeat(LAYER, 7), T.repeat(LAYER, 7, **options)
    params, x = filled(plain), jnp.asarray([0.3, -0.2, 1.0, 0.5])

    def run(flow):
        def both(params, x):
            y, log_det = flow.forward_and_log_det(params, x)
            pre = flow.inverse(params, x)
            return jnp.sum(jnp.sin(y)) + log_det + jnp.sum(jnp.sin(pre.z)) + pre.log_det, (y, pre, flow.forward(params, x))

        return jax.jit(jax.value_and_grad(both, (0, 1), has_aux=True))(params, x)

    for a, b in zip(jax.tree.leaves(run(other)), jax.tree.leaves(run(plain)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_counts_below_one_are_named():
    with pytest.raises(ValueError, match="num=0"):
        T.repeat(LAYER, 0)
    with pytest.raises(ValueError, match="unroll=0"):
        T.repeat(LAYER, 2, unroll=0)
