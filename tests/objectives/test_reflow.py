"""Reflow: the first round learns from data, every later one from the pairs of the frozen flow before it; straightness by a closed form."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from jaxgen import bases, objectives
from jaxgen import transforms as T
from jaxgen.evaluation import straightness
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock

NUM_STEPS = jnp.asarray(11, jnp.int32)


def shift(params, x, t, cond=None):
    """A flow that moves everything by `params` times the condition."""
    return params * (1.0 if cond is None else cond[0]) * jnp.ones_like(x)


MODEL = Model(bases.normal((2,)), T.ode_flow(lambda *a: jnp.zeros(()), shift))
COND = jnp.asarray(np.random.default_rng(1).standard_normal((10, 1)), jnp.float32)
BATCH = Batch(jnp.asarray(np.random.default_rng(0).standard_normal((10, 2)), jnp.float32), COND)


def at(step, ema=0.0):
    return Clock(jnp.asarray(step, jnp.int32), NUM_STEPS, jnp.asarray(ema))


@pytest.mark.parametrize("times_per_pair", [1, 4])
def test_later_rounds_learn_the_pairs_of_the_teacher_under_their_conditions(times_per_pair):
    """Steps 0 to 3, 4 to 7 and 8 to 10 are three rounds; the teacher's pairs are apart by 0.5 times the condition of their row."""
    objective = objectives.reflow(MODEL, 3, times_per_pair=times_per_pair)
    loss = jax.jit(lambda p, step: objective.loss(p, {"teacher": jnp.asarray(0.5)}, jax.random.key(0), BATCH, at(step))[0])
    rows = np.arange(10) % -(-10 // times_per_pair)
    for step in (4, 8, 11):
        np.testing.assert_allclose(loss(0.5, step), 0, atol=1e-10)
        np.testing.assert_allclose(loss(0.8, step), np.mean((0.3 * np.asarray(COND)[rows, 0]) ** 2), rtol=1e-4)
    plain = jax.jit(objectives.reflow(MODEL, 1).loss)(0.5, (), jax.random.key(0), BATCH, at(3))[0]
    np.testing.assert_allclose(loss(0.5, 3), plain, rtol=1e-5)
    assert float(plain) > 0.5
    assert math.ceil(objective.schedule.judge_from * 11) == 8


def test_the_teacher_is_the_average_at_the_end_of_each_round():
    objective, aux, seen = objectives.reflow(MODEL, 3), {"teacher": jnp.asarray(-1.0)}, []
    for step in range(11):
        aux = objective.update(None, aux, jax.random.key(0), BATCH, at(step, float(step)))
        seen.append(float(aux["teacher"]))
    assert seen == [-1.0] * 3 + [3.0] * 4 + [7.0] * 4
    assert objectives.reflow(MODEL, 1).update is None


def test_the_teacher_has_no_gradient():
    objective = objectives.reflow(MODEL, 2)
    slope = jax.jit(jax.grad(lambda teacher: objective.loss(0.8, {"teacher": teacher}, jax.random.key(0), BATCH, at(8))[0]))(0.5)
    assert float(slope) == 0


@pytest.mark.parametrize("sd", [1.0, 0.3])
def test_straightness_of_a_gaussians_flow(sd):
    """x_t = t m + a(t) z with a^2 = (1 - t)^2 + (t sd)^2, so the paths of unit data are bent too; each of 2 coordinates has the same share."""

    def a_rate(t):
        return (t * (1 + sd**2) - 1) / np.sqrt((1 - t) ** 2 + (t * sd) ** 2)

    def velocity(params, x, t, cond=None):
        return 0.7 + (t * (1 + sd**2) - 1) / ((1 - t) ** 2 + (t * sd) ** 2) * (x - 0.7 * t)

    model = Model(bases.normal((2,)), T.ode_flow(lambda *a: (), velocity))
    value, stderr = straightness(jax.random.key(0), model, (), 4_000, num_times=16)
    truth = 2 * scipy.integrate.quad(lambda t: (sd - 1 - a_rate(t)) ** 2, 0, 1)[0]
    assert 0 < stderr < 0.05 * truth
    assert abs(value - truth) < 4 * stderr


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="rounds=0"):
        objectives.reflow(MODEL, 0)
    with pytest.raises(ValueError, match=r"times_per_pair=1\.5"):
        objectives.reflow(MODEL, times_per_pair=1.5)
