"""A data set as a base: its rows, each as often as another; a density only where one is given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases
from jaxgen import transforms as T
from jaxgen.model import Model, log_prob, sample
from jaxgen.transform import ImplicitDensityError

ROWS = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])


def test_draws_are_rows_each_as_often(key):
    base = bases.data_set(ROWS)
    x = np.asarray(base.sample(seed=key, sample_shape=(100, 30)))
    assert x.shape == (100, 30, 2) and x.dtype == np.float32 and base.sample(seed=key).shape == (2,)
    counts = [np.sum(np.all(x == row, -1)) for row in ROWS]
    assert sum(counts) == 3_000 and scipy.stats.chisquare(counts).pvalue > 1e-3
    with jax.enable_x64(True):
        assert base.sample(seed=key).dtype == jnp.float64


def test_a_model_on_it_samples_and_refuses_a_density_with_the_reason(key):
    model = Model(bases.data_set(ROWS), T.affine([1.0, 1.0], 2.0))
    drawn = np.asarray(sample(key, model, (), 20))
    assert set(map(tuple, drawn)) <= set(map(tuple, 1 + 2 * ROWS))
    with pytest.raises(ImplicitDensityError, match="log_density=None; accepted.*no density"):
        log_prob(model, (), drawn)


def test_with_the_density_of_its_rows_it_has_one():
    base = bases.data_set(ROWS, bases.normal((2,)).log_prob)
    model = Model(base, T.affine([1.0, 1.0], 2.0))
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    np.testing.assert_allclose(log_prob(model, (), x).value, scipy.stats.norm(1, 2).logpdf(x).sum(1), rtol=1e-5)


@pytest.mark.parametrize("x", [np.zeros((0, 2)), np.array([np.nan]), np.array("a"), np.float32(1.0)])
def test_what_is_no_data_set_is_named(x):
    with pytest.raises(ValueError, match="data_set: x of shape"):
        bases.data_set(x)
