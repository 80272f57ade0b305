"""The monotone network against its formula in plain numbers, and its limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from jaxgen import transforms as T


def softplus_of_unit(raw, least=1e-2):
    return least + np.log1p(np.exp(raw + np.log(np.expm1(1 - least))))


def plain(theta, x, k=3):
    """Two dense layers, eqs. 8 and 9 without logarithms."""
    a, b = softplus_of_unit(theta[:k]), theta[k : 2 * k] + np.linspace(-1, 1, k)
    w = scipy.special.softmax(theta[2 * k : 2 * k + k * k].reshape(k, k), 1)
    h = scipy.special.logit(w @ scipy.special.expit(a * x + b))
    rest = theta[2 * k + k * k :]
    u = scipy.special.softmax(rest[: k * k].reshape(k, k), 1)
    a, b = softplus_of_unit(rest[k * k : k * k + k]), rest[k * k + k : k * k + 2 * k] + np.linspace(-1, 1, k)
    return scipy.special.logit(scipy.special.softmax(rest[k * k + 2 * k :]) @ scipy.special.expit(a * (u @ h) + b))


def test_it_is_the_papers_network(x64):
    with x64():
        scalar, x = T.deep_sigmoidal(3, 2), np.linspace(-4, 4, 13)
        theta = np.random.default_rng(0).standard_normal(scalar.num_params)
        z, log_slope = jax.jit(jax.vmap(lambda x: scalar.inverse(jnp.asarray(theta), x)))(x)
        np.testing.assert_allclose(z, [plain(theta, v) for v in x], rtol=1e-9, atol=1e-10)
        slope = [(plain(theta, v + 1e-5) - plain(theta, v - 1e-5)) / 2e-5 for v in x]
        np.testing.assert_allclose(np.exp(log_slope), slope, rtol=1e-5)


def test_it_starts_near_the_identity_and_is_onto(x64):
    with x64():
        scalar = T.deep_sigmoidal(4, 2)
        z, log_slope = jax.jit(jax.vmap(lambda x: scalar.inverse(jnp.zeros(scalar.num_params), x)))(jnp.linspace(-3, 3, 13))
        np.testing.assert_allclose(z, np.linspace(-3, 3, 13), atol=0.5)
        np.testing.assert_allclose(log_slope, 0, atol=0.4)
        # A bounded image would lose probability: a far target has a preimage, and it maps back.
        theta = jnp.asarray(np.random.default_rng(0).standard_normal(scalar.num_params))
        again = jax.jit(lambda z: scalar.inverse(theta, scalar.forward(theta, z)[0])[0])(1e5)
        np.testing.assert_allclose(again, 1e5, rtol=1e-10)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="num_units=0"):
        T.deep_sigmoidal(0)
