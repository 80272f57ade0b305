"""Student t noise against scipy, in the tails too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases


@pytest.mark.parametrize("df", [0.7, 1.0, 4.0, 300.0])
def test_log_density_is_scipys_wherever_it_is_finite(df):
    z = np.array([[0.1, -2.0], [1e6, 3.0], [-1e15, 1e30]])
    expected = scipy.stats.t.logpdf(z[:2], df).sum(-1)
    # scipy's own square overflows in the last row: the leading power is all there is.
    with jax.enable_x64(True):
        base = bases.student_t((2,), df)
        found = jax.jit(jax.vmap(base.log_prob))(jnp.asarray(z))
        np.testing.assert_allclose(found[:2], expected, rtol=1e-11)
        at_one = scipy.stats.t.logpdf(1e5 * np.sqrt(df), df) + (df + 1) * np.log(1e5 * np.sqrt(df))
        np.testing.assert_allclose(found[2], 2 * at_one - (df + 1) * (np.log(1e15) + np.log(1e30)), rtol=1e-8)


def test_value_and_gradient_stay_finite_in_single_precision():
    base = bases.student_t((1,), 3.0)
    value, gradient = jax.jit(jax.vmap(jax.value_and_grad(base.log_prob)))(jnp.asarray([[0.0], [1e12], [1e25], [-3e38]], jnp.float32))
    assert value.dtype == jnp.float32 and np.isfinite(value).all() and np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient[1, 0], -4e-12, rtol=1e-3)


def test_draws_follow_the_distribution(key):
    z = np.asarray(bases.student_t((2,), 2.5).sample(seed=key, sample_shape=(4_000,)))
    assert z.shape == (4_000, 2)
    assert scipy.stats.kstest(z.ravel(), scipy.stats.t(2.5).cdf).pvalue > 1e-3


@pytest.mark.parametrize("df", [0.0, -1.0, np.nan, np.inf])
def test_degrees_of_freedom_are_positive(df):
    with pytest.raises(ValueError, match=f"df={df}"):
        bases.student_t((2,), df)
