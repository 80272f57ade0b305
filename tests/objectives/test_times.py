"""Times: uniform marginals, pairs that cancel."""

import jax.numpy as jnp
import numpy as np
import scipy.stats

from jaxgen import objectives


def test_both_are_uniform_and_antithetic_ones_cancel_what_is_odd(key):
    for times in (objectives.uniform_times, objectives.antithetic_times):
        t = np.asarray(times(key, 2_000, jnp.float32))
        assert t.shape == (2_000,) and t.dtype == np.float32 and t.min() >= 0 and t.max() <= 1
        assert scipy.stats.kstest(t[:1_000], "uniform").pvalue > 1e-3
    np.testing.assert_allclose(np.sort(t)[::-1], 1 - np.sort(t), atol=1e-6)
    assert objectives.antithetic_times(key, 7, jnp.float32).shape == (7,)
