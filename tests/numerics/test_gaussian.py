"""The Gaussian's tail in logarithms against scipy, from the centre to where probabilities have long underflowed."""

import jax
import numpy as np
import scipy.special
import scipy.stats

from jaxgen.numerics.gaussian import log_hazard, log_tail, tail_quantile


def test_quantiles_of_log_probabilities(x64):
    with x64():
        q = np.concatenate([[0.0], np.logspace(-6, 7, 60)])
        t, slope = jax.jit(jax.vmap(jax.value_and_grad(tail_quantile)))(q)
        np.testing.assert_allclose(t, -scipy.special.ndtri_exp(-q - np.log(2)), rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(slope[t < 30], np.exp(-hazard(t[t < 30])), rtol=1e-9)


def hazard(t):
    return scipy.stats.norm.logpdf(t) - scipy.stats.norm.logsf(t)


def test_the_hazard_rate_crosses_to_its_series_without_a_step(x64):
    with x64():
        t = np.concatenate([np.linspace(0, 49, 50), [19.999, 20.0, 20.001]])
        np.testing.assert_allclose(jax.jit(jax.vmap(log_hazard))(t), hazard(t), atol=1e-11)
        np.testing.assert_allclose(jax.jit(jax.vmap(log_tail))(t), scipy.stats.norm.logsf(t), rtol=1e-12)
        np.testing.assert_allclose(jax.jit(jax.vmap(log_hazard))(np.array([1e6])), np.log(1e6), rtol=1e-12)
