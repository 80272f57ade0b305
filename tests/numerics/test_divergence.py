"""Divergences against the Jacobian; Hutchinson's estimate over every probe there is."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.numerics import divergence, hutch_plus_plus, hutchinson

MIX = np.array([[0.3, -1.0, 0.2], [0.8, 0.1, -0.4], [-0.5, 0.6, 0.9]])
X = np.array([0.3, -0.7, 1.1])


def field(x):
    return jnp.tanh(jnp.asarray(MIX) @ x) * x[::-1]


def test_divergence_is_the_trace_of_the_jacobian(x64):
    with x64():
        y, trace = divergence(field, jnp.asarray(X))
        np.testing.assert_allclose(y, field(jnp.asarray(X)), rtol=1e-12)
        np.testing.assert_allclose(trace, jnp.trace(jax.jacrev(field)(jnp.asarray(X))), rtol=1e-12)


def test_hutchinson_averages_to_the_divergence_over_all_probes(x64):
    with x64():
        probes = jnp.asarray(list(itertools.product([-1.0, 1.0], repeat=3)))
        y, estimates = jax.vmap(lambda v: hutchinson(field, jnp.asarray(X), v))(probes)
        np.testing.assert_allclose(jnp.mean(estimates), divergence(field, jnp.asarray(X))[1], rtol=1e-12)
        np.testing.assert_allclose(y[0], field(jnp.asarray(X)), rtol=1e-12)
        assert np.ptp(estimates) > 0.1


def test_divergence_can_be_differentiated_in_both_modes(x64):
    with x64():

        def trace(x):
            return divergence(field, x)[1]

        np.testing.assert_allclose(jax.jacfwd(trace)(jnp.asarray(X)), jax.jacrev(trace)(jnp.asarray(X)), rtol=1e-10)


def linear(matrix):
    return lambda x: jnp.asarray(matrix) @ x


def trace_estimates(matrix, make_probe, num=20_000):
    x = jnp.zeros(len(matrix))
    keys = jax.random.split(jax.random.key(0), num)
    return np.asarray(jax.jit(jax.vmap(lambda k: hutchinson(linear(matrix), x, make_probe(k))[1]))(keys))


def test_variances_of_hutchinsons_estimates_are_their_formulas(x64):
    """Rademacher: twice the squared off-diagonal of the symmetric part; Gaussian: twice its squared Frobenius norm; over m probes, 1/m."""
    with x64():
        symmetric = (MIX + MIX.T) / 2
        square = np.sum(symmetric**2)
        variances = {"rademacher": 2 * (square - np.sum(np.diag(symmetric) ** 2)), "normal": 2 * square}
        for name, variance in variances.items():
            draw = getattr(jax.random, name)
            for probes in ((3,), (4, 3)):
                found = trace_estimates(MIX, lambda k, d=draw, s=probes: d(k, s, float))
                expected = variance / (4 if len(probes) == 2 else 1)
                assert abs(found.mean() - np.trace(MIX)) < 4 * np.sqrt(expected / len(found))
                np.testing.assert_allclose(found.var(), expected, rtol=0.08)


def test_hutch_plus_plus_is_exact_up_to_the_rank_of_its_sketch_and_unbiased_beyond(x64):
    with x64():
        rng = np.random.default_rng(0)
        low = 3 * rng.standard_normal((12, 2)) @ rng.standard_normal((2, 12))
        noisy = low + 0.05 * rng.standard_normal((12, 12))

        def plus_plus(matrix, key):
            sketch, probes = jax.random.normal(key, (2, 2, 12), float)
            return hutch_plus_plus(linear(matrix), jnp.zeros(12), sketch, jnp.sign(probes))[1]

        keys = jax.random.split(jax.random.key(1), 4_000)
        exact, found = (np.asarray(jax.jit(jax.vmap(lambda k, m=m: plus_plus(m, k)))(keys)) for m in (low, noisy))
        np.testing.assert_allclose(exact, np.trace(low), rtol=1e-10)
        assert abs(found.mean() - np.trace(noisy)) < 4 * found.std() / np.sqrt(len(found))
        # Six products each.
        plain = trace_estimates(noisy, lambda k: jax.random.rademacher(k, (6, 12), float), 4_000)
        assert found.var() < 0.05 * plain.var()


def test_hutch_plus_plus_has_unbiased_gradients_and_none_that_are_not_finite(x64):
    with x64():
        keys = jax.random.split(jax.random.key(2), 6_000)
        x = jnp.asarray(X)

        def estimate(x, key):
            sketch, probes = jax.random.rademacher(key, (2, 1, 3), float)
            return hutch_plus_plus(field, x, sketch, probes)[1]

        draws = np.asarray(jax.jit(jax.vmap(lambda k: jax.grad(estimate)(x, k)))(keys))
        truth = jax.grad(lambda x: divergence(field, x)[1])(x)
        assert np.all(np.abs(draws.mean(0) - truth) < 4 * draws.std(0) / np.sqrt(len(draws)) + 1e-12)
        assert np.isfinite(jax.grad(lambda x: hutch_plus_plus(lambda x: 0 * x, x, x[None], x[None])[1])(x)).all()
