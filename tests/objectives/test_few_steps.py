"""Consistency, inductive moment matching, drifting and distillation at their truths, and in which direction they pull away from them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, numerics, objectives, paths
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, PairingError
from jaxgen.objectives.consistency import num_levels
from jaxgen.objectives.fields import drift
from jaxgen.objectives.moment_matching import squared_mmd

MEAN, SD, PATH = 0.7, 0.4, paths.linear()
X = MEAN + SD * np.random.default_rng(0).standard_normal((48, 2))


def clock(step=0, ema=None):
    return Clock(jnp.asarray(step, jnp.int32), jnp.asarray(100, jnp.int32), ema)


def truth(params, x, t, s, cond=None):
    """The average velocity of the pairs `x = MEAN + SD z`, whose paths are straight and never cross, plus `params`."""
    return MEAN + (SD - 1) * (x - t * MEAN) / (t * SD + 1 - t) + params


MODEL = Model(bases.normal((2,)), T.flow_map(lambda *a: (), truth))


def paired(key, x, z, cond):
    return (x - MEAN) / SD


@pytest.mark.parametrize(
    "make",
    [
        lambda: objectives.consistency(MODEL, coupling=paired),
        lambda: objectives.consistency(MODEL, coupling=paired, huber=0.1),
        lambda: objectives.inductive_moment_matching(MODEL, coupling=paired, group=8),
    ],
)
def test_the_truth_has_a_loss_of_zero(make, x64):
    with x64():
        loss = [float(jax.jit(make().loss)(jnp.asarray(p), (), jax.random.key(0), Batch(jnp.asarray(X)), clock())[0]) for p in (0.0, 0.2)]
        assert abs(loss[0]) < 1e-14 and loss[1] > 1e-4


def test_the_target_of_consistency_is_held_fixed(x64):
    """With f = truth + (1 - t) p the error is gap p, and the gradient that of f(x_t) alone, E gap p (1 - t) / gap."""
    with x64():
        t = jnp.linspace(0, 0.9, 48)
        objective = objectives.consistency(MODEL, coupling=paired, levels=(10, 10), times=lambda key, num, dtype: t)
        value, slope = jax.jit(jax.value_and_grad(lambda p: objective.loss(p, (), jax.random.key(0), Batch(jnp.asarray(X)), clock())[0]))(
            0.3
        )
        np.testing.assert_allclose(value, 0.5 * 0.1 * 0.3**2, rtol=1e-9)
        np.testing.assert_allclose(slope, 0.3 * np.mean(1 - np.asarray(t)), rtol=1e-9)


def test_distilling_a_gaussians_ode_leaves_the_error_of_heuns_method(x64):
    """The flow map of the teacher is known; a step of length h is wrong by O(h^3), so the weighed square falls as h^5."""

    def slope(x, t):
        return (t * (1 + SD**2) - 1) / ((1 - t) ** 2 + (t * SD) ** 2) * (x - t * MEAN)

    def to_data(params, x, t, s, cond=None):
        end = MEAN + SD * (x - t * MEAN) / jnp.sqrt((1 - t) ** 2 + (t * SD) ** 2)
        return jnp.where(t < 1, (end - x) / jnp.where(t < 1, 1 - t, 1), 0)

    with x64():
        model, losses = Model(bases.normal((2,)), T.flow_map(lambda *a: (), to_data)), []
        for n in (32, 64):
            objective = objectives.consistency(model, teacher=lambda x, t, cond: MEAN + slope(x, t), levels=(n, n))
            losses.append(float(jax.jit(objective.loss)(0.0, (), jax.random.key(0), Batch(jnp.asarray(X)), clock(ema=0.0))[0]))
        assert 20 < losses[0] / losses[1] < 45 and losses[0] < 1e-7


def test_levels_double_in_equal_shares_of_the_fit():
    assert [int(num_levels(clock(step), 10, 80)) for step in (0, 24, 25, 50, 75, 100)] == [10, 10, 20, 40, 80, 80]
    assert int(num_levels(clock(99), 10, 1000)) == 1000


def test_squared_mmd_is_that_of_the_laplace_kernel():
    rng = np.random.default_rng(0)
    x, y, c = (rng.standard_normal((5, k)) for k in (2, 2, 1))

    def kernel(a, b):
        a, b = np.concatenate([a, c], 1), np.concatenate([b, c], 1)
        return np.mean([[np.exp(-np.linalg.norm(p - q) / 1.3) for q in b] for p in a])

    found = squared_mmd(*(jnp.asarray(a, jnp.float32) for a in (x, y, c)), jnp.asarray(1.3))
    np.testing.assert_allclose(found, kernel(x, x) + kernel(y, y) - 2 * kernel(x, y), rtol=1e-5)


def test_the_drifting_field_by_loops():
    rng = np.random.default_rng(0)
    x, y, c = rng.standard_normal((4, 2)), rng.standard_normal((4, 2)) + 1, rng.standard_normal((4, 1))
    near = np.zeros((4, 8))
    for i in range(4):
        for j in range(4):
            near[i, j] = np.exp(-np.hypot(np.linalg.norm(x[i] - y[j]), c[i, 0] - c[j, 0]) / 0.7)
            near[i, 4 + j] = (i != j) * np.exp(-np.hypot(np.linalg.norm(x[i] - x[j]), c[i, 0] - c[j, 0]) / 0.7)
    affinity = near / np.sqrt(near.sum(1, keepdims=True) * near.sum(0, keepdims=True))
    field = np.zeros((4, 2))
    for i in range(4):
        for j in range(4):
            for k in range(4):
                field[i] += affinity[i, j] * affinity[i, 4 + k] * (y[j] - x[k])
    found = drift(*(jnp.asarray(a, jnp.float32) for a in (x, y, c)), 0.7)
    np.testing.assert_allclose(found, field, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("normalise", [True, False])
def test_a_shifted_generator_drifts_to_the_data(normalise):
    """The gradient by the shift is minus the mean drift times a positive number: down while the samples lie above the data."""
    model = Model(bases.normal((2,)), T.flow_map(lambda *a: (), lambda params, x, t, s, cond=None: params + 0 * x))
    objective = objectives.drifting(model, (0.2,), normalise=normalise)
    batch = Batch(jnp.asarray(np.random.default_rng(0).standard_normal((64, 2)), jnp.float32))
    slope = jax.jit(jax.grad(lambda p: objective.loss(p, (), jax.random.key(0), batch, clock())[0]))
    assert float(slope(-1.0)) < 0 < float(slope(1.0))


def shift_by(params, x, t, s, cond=None):
    return params * jnp.ones_like(x)


SHIFTED = Model(bases.normal((2,)), T.flow_map(lambda *a: (), shift_by))
SHIFTING = Model(
    bases.normal((2,)),
    T.ode_flow(lambda *a: jnp.asarray(0.5), lambda params, x, t, cond=None: params * jnp.ones_like(x), solver=numerics.fixed(2, "euler")),
)


def test_a_frozen_teacher_is_learnt_noise_by_noise():
    objective = objectives.distillation(SHIFTED, SHIFTING, params=0.5)
    loss = [float(jax.jit(objective.loss)(p, (), jax.random.key(0), Batch(jnp.zeros((8, 2))), clock())[0]) for p in (0.5, 0.8)]
    np.testing.assert_allclose(loss, [0, 0.09], atol=1e-6)


def test_an_own_teacher_learns_first_and_then_stands():
    objective = objectives.distillation(SHIFTED, SHIFTING, objectives.flow_matching(SHIFTING), share=0.3)
    batch = Batch(jnp.ones((8, 2)))
    _, aux = objective.init(jax.random.key(1), 0.8, batch)
    slope = jax.jit(jax.grad(lambda p, a, step: objective.loss(p, a, jax.random.key(0), batch, clock(step))[0], (0, 1)))
    own, taught = slope(0.8, aux, 29)
    assert float(own) == 0 and abs(float(taught["teacher"])) > 0.01
    own, taught = slope(0.8, aux, 30)
    np.testing.assert_allclose(own, 2 * (0.8 - 0.5), rtol=1e-5)
    assert float(taught["teacher"]) == 0
    assert objective.schedule.judge_from == 0.3


@pytest.mark.parametrize(("pairs", "num"), [(0.25, 2), (1.0, 8), (0.01, 1)])
def test_a_share_of_the_rows_is_distilled_each_under_its_condition(pairs, num):
    """The teacher moves its noise by the condition of the row and the model by 0.5, so each row's error is known."""
    by_condition = Model(bases.normal((2,)), T.flow_map(lambda *a: (), lambda params, x, t, s, cond=None: cond * jnp.ones_like(x)))
    objective, cond = objectives.distillation(SHIFTED, by_condition, params=(), pairs=pairs), np.arange(8.0)[:, None]
    loss = jax.jit(objective.loss)(0.5, (), jax.random.key(0), Batch(jnp.zeros((8, 2)), jnp.asarray(cond)), clock())[0]
    np.testing.assert_allclose(loss, np.mean((cond[:num] - 0.5) ** 2), rtol=1e-4)


def test_a_teacher_in_rounds_keeps_the_clock_of_its_share():
    """Two rounds within the first 40 of 100 steps: the first is over after step 19, and its batches alone are prepared."""
    rounds = objectives.reflow(SHIFTING, 2, coupling="optimal_transport")
    objective = objectives.distillation(SHIFTED, SHIFTING, rounds, share=0.4)
    aux = {"teacher": jnp.asarray(0.7), "aux": {"teacher": jnp.asarray(0.1)}}
    ends = [
        float(objective.update(0.0, aux, jax.random.key(0), Batch(jnp.zeros((8, 2))), clock(step))["aux"]["teacher"])
        for step in (18, 19, 20)
    ]
    np.testing.assert_allclose(ends, [0.1, 0.7, 0.1], rtol=1e-6)
    assert objective.schedule == (0.2, 0.4) and objective.prepare is rounds.prepare


def test_bad_arguments_are_named():
    other = Model(bases.normal((3,)), MODEL.transform)
    with pytest.raises(PairingError, match=r"noise of shape \(3,\); accepted: the model's, \(2,\)"):
        objectives.distillation(MODEL, other, params=())
    for make, message in (
        (lambda: objectives.distillation(MODEL, MODEL), "taught=None, params=None; accepted: exactly one"),
        (lambda: objectives.distillation(MODEL, MODEL, params=(), share=1.0), r"share=1\.0"),
        (lambda: objectives.distillation(MODEL, MODEL, params=(), pairs=0.0), r"pairs=0\.0"),
        (lambda: objectives.drifting(MODEL, ()), r"temperatures=\(\)"),
        (lambda: objectives.drifting(MODEL, 0.1), r"temperatures=0\.1; accepted: one or more positive numbers"),
        (lambda: objectives.drifting(MODEL, (0.1, -1.0)), r"temperatures=-1\.0"),
        (lambda: objectives.consistency(MODEL, levels=(10, 5)), r"levels\[1\]=5.*at least 10"),
        (lambda: objectives.consistency(MODEL, huber=0.0), r"huber=0\.0"),
        (lambda: objectives.inductive_moment_matching(MODEL, group=1), "group=1"),
        (lambda: objectives.inductive_moment_matching(MODEL, gap=0.0), r"gap=0\.0"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
