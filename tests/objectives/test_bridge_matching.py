"""Bridge matching in rounds: each drift learns the pairs of the other direction's teacher under their conditions. See also test_flow_matching."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, objectives
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock
from jaxgen.objectives import couplings
from jaxgen.transform import field_part

COND = jnp.asarray(np.random.default_rng(1).standard_normal((10, 1)), jnp.float32)
BATCH = Batch(jnp.asarray(np.random.default_rng(0).standard_normal((10, 2)), jnp.float32), COND)
SPEEDS = jnp.asarray([0.5, 0.9])


def shift(i):
    """The forward process moves everything by `params[0]` times the condition, the backward one by minus `params[1]` times it."""
    return lambda params, x, t, cond=None: (1 - 2 * i) * params[i] * cond[0] * jnp.ones_like(x)


MODEL = Model(
    bases.normal((2,)),
    T.ode_flow(lambda *a: jnp.zeros(2), shift(0), parts={"drift": field_part(shift(0)), "backward_drift": field_part(shift(1))}),
)


def at(step):
    return Clock(jnp.asarray(step, jnp.int32), jnp.asarray(11, jnp.int32), SPEEDS)


@pytest.mark.parametrize("times_per_pair", [1, 4])
def test_later_rounds_learn_what_the_other_direction_made(times_per_pair):
    """Nearly without noise: the backward teacher's pairs are 0.9 conditions apart and teach the forward drift, the forward one's 0.5."""
    objective = objectives.bridge_matching(MODEL, 1e-3, 3, times_per_pair=times_per_pair, num_steps=2)
    loss = jax.jit(lambda p, step: objective.loss(p, {"teacher": SPEEDS}, jax.random.key(0), BATCH, at(step))[1])
    rows = np.arange(10) % -(-10 // times_per_pair)
    square = np.mean(np.asarray(COND)[rows, 0] ** 2)
    for step in (4, 8, 11):
        found = loss(jnp.asarray([0.7, 0.8]), step)
        np.testing.assert_allclose(found["drift"], 0.2**2 * square, rtol=0.02)
        np.testing.assert_allclose(found["backward_drift"], 0.3**2 * square, rtol=0.02)
    plain = jax.jit(objectives.bridge_matching(MODEL, 1e-3).loss)(SPEEDS, (), jax.random.key(0), BATCH, at(3))[1]
    first = loss(SPEEDS, 3)
    np.testing.assert_allclose([first[name] for name in plain], list(plain.values()), rtol=1e-4)
    assert float(plain["drift"]) > 0.5
    assert math.ceil(objective.schedule.judge_from * 11) == 8


def test_pairs_of_the_entropic_coupling_stay_within_equal_conditions():
    """Two classes far apart in both, each with all its noise on the other's side: across them it would be far cheaper."""
    classes = np.arange(20) % 2
    x = np.stack([6.0 * classes, np.arange(20) / 20], 1).astype(np.float32)
    z = np.stack([6.0 * (1 - classes), np.arange(20) / 20], 1).astype(np.float32)
    apart = [
        couplings.entropic(0.1, within_conditions=w).pair(jax.random.key(0), x, z, jnp.asarray(classes[:, None])) for w in (True, False)
    ]
    rows = [np.argmin(np.abs(np.asarray(paired)[:, None] - z[None]).sum(-1), 1) for paired in apart]
    assert np.all(classes[rows[0]] == classes) and np.all(classes[rows[1]] != classes)
    assert len(set(rows[0])) > 8


def test_bad_arguments_are_named():
    for options, message in (
        ({"rounds": 0}, "rounds=0"),
        ({"sigma": 0.0}, r"sigma=0\.0"),
        ({"times_per_pair": 1.5}, r"times_per_pair=1\.5"),
    ):
        with pytest.raises(ValueError, match=message):
            objectives.bridge_matching(MODEL, **options)
