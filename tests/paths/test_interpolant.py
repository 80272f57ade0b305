"""Interpolants between two mixtures: the closed-form velocity transports the closed-form density, and training targets average to it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import paths

# Weights need not sum to one.
SOURCE = ([0.8, 1.2], [[0.0, 1.0], [0.5, -1.0]], [0.5, 0.4])
TARGET = ([0.3, 0.7], [[-1.0, 0.5], [1.0, -0.5]], [0.3, 0.4])
BETWEEN = {
    "straight": paths.interpolant(),
    "brownian": paths.interpolant(variance=paths.brownian_variance(0.8)),
    "sine": paths.interpolant(paths.trigonometric(), paths.sine_variance(0.5)),
}
over_interpolants = pytest.mark.parametrize("name", list(BETWEEN))


@over_interpolants
def test_the_velocity_satisfies_the_continuity_equation(name, x64):
    with x64():
        truth, t, x = paths.interpolant_mixture(BETWEEN[name], SOURCE, TARGET), jnp.asarray(0.35), jnp.asarray([0.4, -0.3])

        @jax.jit
        def terms(x, t):
            divergence = jnp.trace(jax.jacfwd(lambda x: truth.velocity((), x, t))(x))
            change = jax.jvp(lambda t: truth.log_prob((), x, t), (t,), (jnp.ones_like(t),))[1]
            score = jax.grad(truth.log_prob, argnums=1)((), x, t)
            return change, divergence, truth.velocity((), x, t) @ score, score, truth.score((), x, t)

        *rates, score, ours = terms(x, t)
        np.testing.assert_allclose(ours, score, rtol=1e-10)
        np.testing.assert_allclose(sum(rates), 0, atol=1e-10)


@over_interpolants
def test_the_ends_are_the_two_data_sets_and_nothing_is_infinite(name, x64):
    with x64():
        truth, x = paths.interpolant_mixture(BETWEEN[name], SOURCE, TARGET), np.array([0.4, -0.3])
        for t, (w, m, s) in ((0.0, SOURCE), (1.0, TARGET)):
            p = np.sum(w / np.sum(w) * scipy.stats.norm.pdf(x, np.array(m), np.array(s)[:, None]).prod(1))
            np.testing.assert_allclose(truth.log_prob((), jnp.asarray(x), jnp.asarray(t)), np.log(p), rtol=1e-9)
            assert np.isfinite(truth.velocity((), jnp.asarray(x), jnp.asarray(t))).all()


@over_interpolants
def test_the_mean_velocity_of_drawn_points_is_the_truths(name, key, x64):
    """E[alpha' x_1 + beta' x_0] over all points equals the mean of its conditional expectation over x_t."""
    with x64():
        between, t, n = BETWEEN[name], jnp.asarray(0.35), 4_000
        keys, pairs = jax.random.split(key, 5), []
        for side, (k, j) in ((SOURCE, keys[0:2]), (TARGET, keys[2:4])):
            i = jax.random.choice(k, 2, (n,), p=jnp.asarray(side[0]))
            pairs.append(jnp.asarray(side[1])[i] + jnp.asarray(side[2])[i, None] * jax.random.normal(j, (n, 2)))
        x_t = between.at(t, *pairs, jax.random.normal(keys[4], (n, 2)))
        truth = paths.interpolant_mixture(between, SOURCE, TARGET)
        drawn = between.direct(t, *pairs)
        gap = drawn - jax.jit(jax.vmap(lambda x: truth.direct((), x, t)))(x_t)
        # Residuals of a conditional expectation are uncorrelated with every function of x_t.
        for moment in (gap, gap * x_t):
            assert np.all(np.abs(moment.mean(0)) < 4 * moment.std(0) / np.sqrt(n))


def test_variances_are_their_formulas(x64):
    with x64():
        t = jnp.asarray([0.0, 0.25, 0.5, 1.0])
        np.testing.assert_allclose(paths.brownian_variance(0.8)(t), [0.0, 0.15, 0.2, 0.0], atol=1e-15)
        np.testing.assert_allclose(paths.sine_variance(0.5)(t), [0.0, 0.125, 0.5, 0.0], atol=1e-15)
        x0, x1, z = jnp.asarray([1.0]), jnp.asarray([3.0]), jnp.asarray([-2.0])
        np.testing.assert_allclose(BETWEEN["brownian"].at(t[1], x0, x1, z), 0.25 * x1 + 0.75 * x0 + np.sqrt(0.15) * z, rtol=1e-12)


def test_a_path_of_infinite_rate_is_refused_by_name():
    """A velocity between data sets is infinite where follmer's sigma falls like a square root."""
    with pytest.raises(ValueError, match=r"infinite rate at t = 1.*linear\(\), trigonometric\(\)"):
        paths.interpolant(paths.follmer())
    between = jax.jit(lambda b: paths.interpolant(paths.vp_linear(b)).alpha(jnp.zeros(())))(0.2)
    assert np.isfinite(between), "a schedule that is traced cannot be looked at and is taken"
