"""Integrators: the measured order of each fixed grid, tolerances of the adaptive ones, saved states, counts, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.numerics import adaptive, fixed, refined, solve


def field(t, y):
    return jnp.cos(3 * t) * y - 0.5 * y**2


def reference():
    """The logistic-like equation is Bernoulli's: 1/y is the solution of a linear one, integrated by a fine quadrature."""
    t = np.linspace(0.0, 1.0, 20_001)
    growth = np.sin(3 * t) / 3
    integral = np.trapezoid(np.exp(growth), t)
    return np.exp(growth[-1]) / (1 / 2.0 + 0.5 * integral)


@pytest.mark.parametrize(("method", "order", "evaluations"), [("euler", 1, 1), ("midpoint", 2, 2), ("heun", 2, 2), ("rk4", 4, 4)])
def test_fixed_grids_converge_at_their_order(method, order, evaluations, x64):
    with x64():
        errors = []
        for num_steps in (16, 32):
            y, count = jax.jit(lambda y, n=num_steps: solve(field, y, 0.0, 1.0, fixed(n, method)))(jnp.asarray(2.0))
            errors.append(abs(float(y) - reference()))
            assert count == num_steps * evaluations
        assert abs(np.log2(errors[0] / errors[1]) - order) < 0.35, errors


@pytest.mark.parametrize("method", ["bosh3", "tsit5", "dopri8"])
def test_adaptive_solves_keep_their_tolerance(method, x64):
    with x64():
        y, count = jax.jit(lambda y: solve(field, y, 0.0, 1.0, adaptive(1e-8, 1e-8, method)))(jnp.asarray(2.0))
        assert abs(float(y) - reference()) < 1e-7 and int(count) > 0


def test_time_runs_backwards_too(x64):
    with x64():
        there, _ = solve(field, jnp.asarray(2.0), 0.0, 1.0, fixed(64))
        back, _ = solve(field, there, 1.0, 0.0, fixed(64))
        np.testing.assert_allclose(back, 2.0, rtol=1e-7)


@pytest.mark.parametrize("solver", [fixed(60), adaptive(1e-9, 1e-9)], ids=["fixed", "adaptive"])
def test_saved_states_lie_on_the_solution(solver, x64):
    with x64():
        times = jnp.asarray([0.25, 0.5, 1.0])
        ys, _ = solve(lambda t, y: {"a": 2 * t * y["a"]}, {"a": jnp.asarray([1.0, 2.0])}, 0.0, 1.0, solver, save_at=times)
        np.testing.assert_allclose(ys["a"], np.exp(np.asarray(times) ** 2)[:, None] * [1.0, 2.0], rtol=1e-6)


def test_a_solve_that_does_not_finish_is_nan_and_no_guess():
    y, _ = solve(lambda t, y: -1e3 * y, jnp.ones(2), 0.0, 1.0, adaptive(1e-6, 1e-6, max_steps=4))
    assert np.isnan(y).all()


@pytest.mark.parametrize("adjoint", ["recursive", "backsolve"])
def test_other_adjoints_give_the_gradient_by_a_parameter_the_field_closes_over_in_reverse_mode(adjoint):
    """dy/dt = a y: y(1) = y0 exp(a). The default's derivatives are the contract's."""

    def solved(a, y):
        return solve(lambda t, y: a * y, y, 0.0, 1.0, adaptive(1e-5, 1e-5, "bosh3", adjoint=adjoint))[0]

    a, y = jnp.asarray(0.7), jnp.asarray(1.5)
    np.testing.assert_allclose(jax.jit(jax.grad(solved, (0, 1)))(a, y), [1.5 * np.exp(0.7), np.exp(0.7)], rtol=2e-4)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.eval_shape(jax.jacfwd(solved), a, y)


def test_the_gradient_of_a_long_solve_is_that_of_its_steps_whatever_is_kept(x64):
    """Two hundred steps, of which 64 states or fewer are kept: d/dw of y(1) for y' = a w cos(w t) y is in closed form, as is d/da."""
    with x64():

        def end(a, w):
            solver = adaptive(1e-8, 1e-8, "bosh3", adjoint="recursive")
            y, count = solve(lambda t, y: a * w * jnp.cos(w * t) * y, jnp.asarray(2.0), 0.0, 1.0, solver)
            return y, count

        a, w = jnp.asarray(0.7), jnp.asarray(6.0)
        (y, count), (by_a, by_w) = jax.jit(jax.value_and_grad(end, (0, 1), has_aux=True))(a, w)
        assert count > 3 * 128
        truth = 2 * np.exp(0.7 * np.sin(6.0))
        np.testing.assert_allclose([y, by_a, by_w], [truth, np.sin(6.0) * truth, 0.7 * np.cos(6.0) * truth], rtol=1e-6)


NUM, HARD = 64, 25.0


def batch_of_one_hard_event(a, norm, adjoint="direct", size=NUM):
    """y' = a w cos(w t) y from 1 ends at exp(a sin(w)); of the last event w is large, so that it needs shorter steps than the others."""
    w = jnp.ones(NUM).at[-1].set(HARD)[-size:]
    solver = adaptive(1e-5, 1e-5, "bosh3", adjoint=adjoint, norm=norm)
    return solve(lambda t, y: a * w * jnp.cos(w * t) * y, jnp.ones_like(w), 0.0, 1.0, solver, batched=True)


def test_a_shared_step_keeps_the_error_of_every_event_or_of_the_batch(x64):
    """By default as small as alone; as a root mean square in fewer steps, and single errors are larger. Derivatives are right in both modes."""
    with x64():
        a, w = jnp.asarray(0.7), np.r_[np.ones(NUM - 1), HARD]
        truth = np.exp(0.7 * np.sin(w))
        worst, count_worst = batch_of_one_hard_event(a, "worst_event")
        alone, count_alone = batch_of_one_hard_event(a, "worst_event", size=1)
        np.testing.assert_allclose(worst[-1], alone[0], rtol=1e-9)
        assert np.abs(worst - truth).max() < 2e-4 and count_worst == count_alone

        def mean(a):
            y, count = batch_of_one_hard_event(a, "rms", "recursive")
            return y.mean(), (y, count)

        (_, (y, count)), by_a = jax.jit(jax.value_and_grad(mean, has_aux=True))(a)
        assert np.sqrt(np.mean((y - truth) ** 2)) < 2e-4 < np.abs(y - truth).max() / 2 and count < 0.7 * count_worst
        np.testing.assert_allclose(by_a, np.mean(np.sin(w) * truth), rtol=2e-4)
        forward = jax.jit(lambda a: jax.jvp(lambda a: batch_of_one_hard_event(a, "rms")[0], (a,), (jnp.ones(()),))[1])
        by_a = forward(a)
        assert np.sqrt(np.mean((by_a - np.sin(w) * truth) ** 2)) < 2e-3


def test_a_refined_solve_holds_every_event_under_its_tolerance():
    solver = refined(adaptive(1e-4, norm="rms"), 1)
    np.testing.assert_allclose([solver.rtol, solver.atol], [1e-7, 1e-8], rtol=1e-6)
    assert solver.norm == "worst_event" and refined(adaptive(norm="rms"), 0).norm == "rms"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fixed(0), "num_steps=0"),
        (lambda: fixed(4, "tsit5"), "method='tsit5'; accepted: euler, midpoint, heun, rk4"),
        (lambda: fixed(2.5), r"num_steps=2\.5"),
        (lambda: adaptive(0.0), "rtol=0.0"),
        (lambda: adaptive(max_steps=0), "max_steps=0"),
        (lambda: adaptive(adjoint="implicit"), "adjoint='implicit'; accepted: direct, recursive, backsolve"),
        (lambda: adaptive(norm="max"), "norm='max'; accepted: worst_event, rms"),
        (lambda: adaptive(method="rk4"), "method='rk4'; accepted: bosh3"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
