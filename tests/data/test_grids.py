"""The checkerboard, square by square."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen.data
from jaxgen.data.grids import checkerboard


def test_squares_alternate_and_are_half_open():
    source = checkerboard()
    middle = np.array([-3.0, -1.0, 1.0, 3.0])
    x = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
    labels = source.mode(x).reshape(4, 4)
    assert np.array_equal(labels, [[0, -1, 1, -1], [-1, 2, -1, 3], [4, -1, 5, -1], [-1, 6, -1, 7]])
    log_prob = np.asarray(jax.jit(jax.vmap(source.log_prob))(jnp.asarray(x))).reshape(4, 4)
    np.testing.assert_allclose(log_prob, np.where(labels >= 0, -math.log(32), -np.inf), rtol=1e-6)
    corners = jnp.array([[-4.0, -4.0], [-2.0, -4.0], [0.0, 0.0], [4.0, 4.0], [2.0, 2.0], [-4.0001, -4.0]])
    assert np.array_equal(np.isfinite(jax.jit(jax.vmap(source.log_prob))(corners)), [True, False, True, False, True, False])
    assert np.isnan(source.log_prob(jnp.array([jnp.nan, 0.0])))


def test_no_float32_sample_falls_on_an_edge():
    source = checkerboard()
    x = jaxgen.data.draw("checkerboard", 3, 200_000)
    assert np.all(np.isfinite(jax.jit(jax.vmap(source.log_prob))(x)))
    assert np.all(source.mode(x) >= 0)
    assert np.abs(x / 2 - np.round(x / 2)).min() > 0
    assert source.entropy == pytest.approx(math.log(32))
