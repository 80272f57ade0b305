"""Optimisers: their schedules, their clipping, and whose gradients they see."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgen
from jaxgen.training import adam, players


@pytest.mark.parametrize(("clip", "norm"), [(1.0, 1.0), (0.5, 0.5), (None, 1e6), (1e7, 1e6)])
def test_adam_clips_the_gradient_to_its_norm(clip, norm):
    """Adam's update does not depend on the scale of a gradient, its mean of the gradients does: a tenth of the first one."""
    transformation = adam(0.1, b1=0.9, clip=clip)(10)
    _, state = transformation.update(jnp.asarray([6e5, -8e5]), transformation.init(jnp.zeros(2)))
    np.testing.assert_allclose(optax.tree_utils.tree_get(state, "mu"), [0.06 * norm, -0.08 * norm], rtol=1e-5)


def test_adam_warms_up_and_decays():
    optimizer = adam(0.1, clip=None, warmup=0.1)(100)
    state, sizes = optimizer.init(jnp.zeros(1)), []
    for _ in range(100):
        update, state = optimizer.update(jnp.ones(1), state)
        sizes.append(-float(update[0]))
    assert sizes[0] == 0 and np.argmax(sizes) == 10 and sizes[-1] < 1e-3
    np.testing.assert_allclose([sizes[10], sizes[55]], [0.1, 0.05], rtol=1e-3)
    twice = adam(0.1, clip=None, warmup=0.1, cycles=2)(201)
    state, rounds = twice.init(jnp.zeros(1)), []
    for _ in range(201):
        update, state = twice.update(jnp.ones(1), state)
        rounds.append(-float(update[0]))
    assert rounds[0] == rounds[101] == 0 and np.argmax(rounds[:101]) == np.argmax(rounds[101:]) == 10 and rounds[100] < 1e-3
    with pytest.raises(ValueError, match=r"learning_rate=0\.0; accepted: a finite number above 0"):
        adam(0.0)
    with pytest.raises(ValueError, match=r"clip=0\.0"):
        adam(clip=0.0)


def test_each_player_has_its_own_optimiser_and_clipping():
    """A huge gradient of the critic does not shrink the generator's step."""
    both = players(
        lambda n: optax.chain(optax.clip_by_global_norm(1.0), optax.scale(-1.0)),
        lambda n: optax.chain(optax.clip_by_global_norm(1.0), optax.scale(-5.0)),
    )(10)
    trained = (jnp.zeros(1), {"critic": jnp.zeros(1)})
    update, _ = both.update((jnp.asarray([0.5]), {"critic": jnp.asarray([1e4])}), both.init(trained), trained)
    np.testing.assert_allclose([update[0][0], update[1]["critic"][0]], [-0.5, -5.0])


def test_weight_decay_takes_its_share_of_a_parameter_without_a_gradient():
    for decay, expected in ((0.0, 0.0), (0.5, -0.1 * 0.5 * 2.0)):
        optimizer = jaxgen.training.adam(0.1, weight_decay=decay)(1)
        params = jnp.asarray([2.0])
        update, _ = optimizer.update(jnp.zeros(1), optimizer.init(params), params)
        np.testing.assert_allclose(update, [expected], atol=1e-7)


def test_an_optimiser_of_optax_trains_as_it_is():
    """Plain gradient descent without an average: the mean of a Gaussian after two steps, by hand."""
    model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.diagonal_affine())
    x = np.full((8, 1), 3.0, np.float32)
    entry = jaxgen.Entry(model, jaxgen.objectives.maximum_likelihood(model), optax.sgd(0.01))
    fitted = jaxgen.fit(0, entry, x, 2, batch_size=8, ema=0.0, progress=False)
    loc, log_scale = 0.0, 0.0
    for _ in range(2):
        z = (3.0 - loc) * np.exp(-log_scale)
        loc, log_scale = loc + 0.01 * z * np.exp(-log_scale), log_scale - 0.01 * (1 - z**2)
    np.testing.assert_allclose(fitted.params["loc"], [loc], rtol=1e-4)


def test_it_is_the_adam_of_optax_and_its_state_does_not_tell_the_decay():
    """An interrupted fit, whose decay was chosen by its rows, is read as the state of an entry that leaves the decay open."""
    params, states = {"w": jnp.asarray([2.0, -3.0]), "b": jnp.asarray(0.5)}, []
    for decay, theirs in ((0.3, optax.adamw(0.1, weight_decay=0.3)), (0.0, optax.adam(0.1)), (None, optax.adam(0.1))):
        ours = adam(0.1, clip=None, weight_decay=decay)(1)
        state, their_state = ours.init(params), theirs.init(params)
        for gradient in (0.5, -2.0):
            gradients = jax.tree.map(lambda a, g=gradient: g * a, params)
            updates, state = ours.update(gradients, state, params)
            their_updates, their_state = theirs.update(gradients, their_state, params)
            if gradient == 0.5:
                jax.tree.map(np.testing.assert_allclose, updates, their_updates)
        states.append(jax.tree.structure(state))
    assert len(set(states)) == 1
