"""Divergences against the Jacobian; Hutchinson's estimate over every probe there is."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.numerics import divergence, hutchinson

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
