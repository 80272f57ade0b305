"""Models as targets of BlackJAX: a log density of one event, sampled by NUTS."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases
from jaxgen import transforms as T
from jaxgen.model import Model

LOC, SCALE = np.array([1.0, -2.0], np.float32), np.array([0.5, 3.0], np.float32)
GAUSSIAN = Model(bases.normal((2,)), T.affine(LOC, SCALE))


def test_a_log_density_is_a_function_of_one_event():
    log_p = bases.logdensity(GAUSSIAN, ())
    x = np.array([0.3, 1.0], np.float32)
    np.testing.assert_allclose(log_p(x), scipy.stats.norm(LOC, SCALE).logpdf(x).sum(), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(log_p)(jnp.asarray(x)), -(x - LOC) / SCALE**2, rtol=1e-5)


def test_nuts_of_blackjax_samples_the_model(key):
    blackjax = pytest.importorskip("blackjax")
    kernel = blackjax.nuts(bases.logdensity(GAUSSIAN, ()), step_size=0.9, inverse_mass_matrix=jnp.asarray(SCALE**2))

    @jax.jit
    def chain(key):
        def step(state, k):
            state, _ = kernel.step(k, state)
            return state, state.position

        return jax.lax.scan(step, kernel.init(jnp.asarray(LOC)), jax.random.split(key, 2_000))[1]

    x = np.asarray(chain(key))
    np.testing.assert_allclose(x.mean(0), LOC, atol=0.15 * SCALE.max())
    np.testing.assert_allclose(x.std(0), SCALE, rtol=0.1)
