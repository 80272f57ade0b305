"""The affine of `Units` and the views of a `Dataset`."""

import numpy as np
import pytest

from jaxgen.data import Dataset, Units


def test_restoring_undoes_standardising_and_scale_is_the_slope():
    units = Units(np.array([3.0, -1.0]), np.array([2.0, 0.5]), np.array([10.0]), np.array([4.0]))
    x = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_allclose(units.restore(units.standardise(x)), x, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(units.restore([[0.0, 0.0], [1.0, 1.0]]), [[3.0, -1.0], [5.0, -0.5]])
    np.testing.assert_allclose(units.standardise_cond([[18.0]]), [[2.0]])
    with pytest.raises(ValueError, match="cond_columns"):
        Units(units.loc, units.scale).standardise_cond([[1.0]])


def test_shapes_and_splits():
    part = np.zeros((3, 4, 2), np.float32)
    data = Dataset("d", part, part, part + 1, test_cond=np.ones((3, 1)), train_cond=np.ones((3, 1)))
    assert (data.event_shape, data.cond_shape) == ((4, 2), (1,))
    assert data.split("test").x is data.test and data.split("test").cond is data.test_cond and data.split("valid").cond is None
    with pytest.raises(ValueError, match="'dev'.*'train', 'valid', 'test'"):
        data.split("dev")
