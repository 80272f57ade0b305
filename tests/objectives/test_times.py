"""Times: uniform marginals, pairs that cancel, pairs in order."""

import jax.numpy as jnp
import numpy as np
import scipy.stats

from jaxgen import objectives
from jaxgen.objectives.times import ordered_pairs


def test_both_are_uniform_and_antithetic_ones_cancel_what_is_odd(key):
    for times in (objectives.uniform_times, objectives.antithetic_times):
        t = np.asarray(times(key, 2_000, jnp.float32))
        assert t.shape == (2_000,) and t.dtype == np.float32 and t.min() >= 0 and t.max() <= 1
        assert scipy.stats.kstest(t[:1_000], "uniform").pvalue > 1e-3
    np.testing.assert_allclose(np.sort(t)[::-1], 1 - np.sort(t), atol=1e-6)
    assert objectives.antithetic_times(key, 7, jnp.float32).shape == (7,)


def test_ordered_pairs_fill_the_triangle_and_some_end_at_the_data(key):
    """Uniform over t <= s: the square of s and the ratio t / s are uniform."""
    t, s = (np.asarray(a) for a in ordered_pairs(key, 2_000, jnp.float32, 0.25))
    assert np.all(s[:500] == 1) and np.all((t >= 0) & (t <= s)) and s.dtype == np.float32
    for part in (s[500:] ** 2, t[:500], t[500:] / s[500:]):
        assert scipy.stats.kstest(part, "uniform").pvalue > 1e-3
    assert all(len(a) == 3 for a in ordered_pairs(key, 3, jnp.float32, 1.0))
