"""Heavy tails: densities in closed form far out on both sides, and no overflow where float32 would have one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from jaxgen import transforms as T

THETA = np.array([0.7, -0.4, 1.0, 2.5])


def index(raw):
    return 1e-4 + np.log1p(np.exp(raw + np.log(np.expm1(0.1 - 1e-4))))


def density(scalar, theta, x):
    z, log_slope = jax.jit(jax.vmap(lambda x: scalar.inverse(jnp.asarray(theta), x)))(jnp.asarray(x))
    return scipy.stats.norm.logpdf(z) + log_slope


def standardised(x):
    log_scale = 3 * np.tanh(THETA[1] / 3)
    return (x - THETA[0]) * np.exp(-log_scale), log_scale


def test_power_tails_are_two_generalised_pareto_laws(x64):
    with x64():
        x = np.concatenate([-np.logspace(-3, 8, 23), [0.0], np.logspace(-3, 8, 23)])
        u, log_scale = standardised(x)
        expected = scipy.stats.genpareto.logpdf(np.abs(u), index(np.where(u < 0, THETA[2], THETA[3]))) - np.log(2) - log_scale
        np.testing.assert_allclose(density(T.power_tails(), THETA, x), expected, rtol=1e-9)


def test_student_tails_are_tukeys_h(x64):
    with x64():
        x = np.concatenate([-np.logspace(-3, 8, 23), np.logspace(-3, 8, 23)])
        u, log_scale = standardised(x)
        h = index(np.where(u < 0, THETA[2], THETA[3]))
        z2 = scipy.special.lambertw(h * u**2).real / h
        expected = scipy.stats.norm.logpdf(np.sqrt(z2)) - 0.5 * h * z2 - np.log1p(h * z2) - log_scale
        np.testing.assert_allclose(density(T.student_tails(), THETA, x), expected, rtol=1e-9)


@pytest.mark.parametrize("make", [T.power_tails, T.student_tails])
def test_the_tail_index_is_that_of_a_student_t(make, x64):
    """log p falls by `1 + nu` for every e-fold of x, with nu the reciprocal of the index: even where x squared would overflow."""
    with x64():
        low, high = density(make(0.5), np.zeros(4), np.array([1e140, 1e200]))
        nu = 2.0
        np.testing.assert_allclose((high - low) / np.log(1e60), -(1 + nu), rtol=5e-3)


@pytest.mark.parametrize("make", [T.power_tails, T.student_tails])
def test_nothing_overflows_in_float32(make):
    scalar, far = make(), jnp.asarray([0.0, 40.0, -1e4, 1e18, -1e30])

    @jax.jit
    def run(theta, z, x):
        pairs = [(scalar.forward, z), (scalar.inverse, x)]
        return [
            jax.vmap(jax.value_and_grad(lambda t, v, f=f, i=i: f(t, v)[i], (0, 1)), (None, 0))(theta, rows)
            for f, rows in pairs
            for i in (0, 1)
        ]

    for leaf in jax.tree.leaves(run(jnp.asarray(THETA, jnp.float32), far[:3], far)):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize("make", [T.power_tails, T.student_tails])
def test_bad_start(make):
    with pytest.raises(ValueError, match=r"start=-1\.0"):
        make(-1.0)
