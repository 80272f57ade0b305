"""Consistency by hand: with straight paths and a map that errs by a constant, every distance and every gradient is arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, objectives, paths
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock

MEAN, SD = 0.7, 0.4
X = MEAN + SD * np.random.default_rng(0).standard_normal((24, 2))
# The last of these times are within one step of the data, so that the later time is held at 1.
TIMES = np.linspace(0.0, 1.0, 24)


def average_velocity(params, x, t, s, cond=None):
    """That of the pairs `x = MEAN + SD z`, whose straight paths never cross, plus `params`: the map ends `(1 - t) params` beside x."""
    return MEAN + (SD - 1) * (x - t * MEAN) / (t * SD + 1 - t) + params


def along(x, t, cond):
    return average_velocity(0.0, x, t, t)


MODEL = Model(bases.normal((2,)), T.flow_map(lambda *a: (), average_velocity))


@pytest.mark.parametrize("huber", [None, 0.1])
@pytest.mark.parametrize("teacher", [None, along], ids=["training", "distillation"])
def test_the_target_is_that_of_the_same_params_without_a_teacher_and_of_their_average_with_one(teacher, huber, x64):
    """The error is `(1 - t) params` less `(1 - r)` of the params that the target is read from, which have no gradient."""
    params, average, gap = 0.3, -0.2, 0.1
    later = np.minimum(TIMES + gap, 1)
    reference = params if teacher is None else average
    error = (1 - TIMES) * params - (1 - later) * reference
    if huber is None:
        value, slope = 0.5 * error**2, error * (1 - TIMES)
    else:
        root = np.sqrt(2 * error**2 + huber**2)
        value, slope = root - huber, 2 * error / root * (1 - TIMES)
    with x64():
        objective = objectives.consistency(
            MODEL,
            teacher=teacher,
            levels=(10, 10),
            huber=huber,
            coupling=lambda key, x, z, cond: (x - MEAN) / SD,
            times=lambda key, num, dtype: jnp.asarray(TIMES, dtype),
        )
        clock = Clock(jnp.asarray(0), jnp.asarray(100), jnp.asarray(average))
        loss = jax.jit(jax.value_and_grad(lambda p: objective.loss(p, (), jax.random.key(0), Batch(jnp.asarray(X)), clock), has_aux=True))
        (found, metrics), gradient = loss(params)
        np.testing.assert_allclose([found, metrics["error"], gradient], np.array([value, value, slope]).mean(1) / gap, rtol=1e-9)


def test_the_step_is_that_of_the_level_at_the_clock(x64):
    """Half of the fit is over: of levels 5 and 10 it is the second. A map that stands still is as far from the next as the path goes."""
    model = Model(bases.normal((2,)), T.flow_map(lambda *a: (), lambda params, x, t, s, cond=None: jnp.zeros_like(x)))
    with x64():
        objective = objectives.consistency(
            model, levels=(5, 10), coupling=lambda key, x, z, cond: x - 1, times=lambda key, num, dtype: jnp.full(num, 0.3, dtype)
        )
        for step, gap in ((0, 0.2), (49, 0.2), (50, 0.1)):
            clock = Clock(jnp.asarray(step), jnp.asarray(100), None)
            loss = jax.jit(objective.loss)((), (), jax.random.key(0), Batch(jnp.asarray(X)), clock)[0]
            np.testing.assert_allclose(loss, 0.5 * gap, rtol=1e-9)


def test_it_learns_along_the_path_that_it_is_given(x64):
    """On a path that stays at `x + z`, a map that stays where it is has a loss of zero; on the straight one it has not."""
    path = paths.Path(jnp.ones_like, jnp.ones_like)
    model = Model(bases.normal((2,)), T.flow_map(lambda *a: (), lambda params, x, t, s, cond=None: jnp.zeros_like(x)))
    clock = Clock(jnp.asarray(0), jnp.asarray(100), None)
    with x64():
        for given, least, most in ((path, 0.0, 0.0), (None, 0.01, np.inf)):
            loss = jax.jit(objectives.consistency(model, given).loss)((), (), jax.random.key(0), Batch(jnp.asarray(X)), clock)[0]
            assert least <= float(loss) <= most
