"""Helpers that every family shares."""

import numpy as np

from jaxgen.data.source import midpoints, nearest_mode


def test_midpoints_stay_inside_their_cells_in_float32():
    u = midpoints(np.random.default_rng(0), (100_000,), bits=4)
    assert set(u) == {(k + 0.5) / 16 for k in range(16)}
    fine = (16 + midpoints(np.random.default_rng(0), (100_000,), bits=16)).astype(np.float32)
    assert fine.min() > 16 and fine.max() < 17


def test_nearest_mode_measures_in_units_of_the_noise():
    mode = nearest_mode(np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([3, 7]), np.array([2.0, 0.1]), reach=3.0)
    x = np.array([[5.9, 0.0], [0.0, 0.29], [0.0, 0.31], [4.9, 0.0], [5.1, 0.0], [np.nan, 0.0]])
    assert np.array_equal(mode(x), [7, 3, -1, 3, 7, -1])
