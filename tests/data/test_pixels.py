"""Dequantisation: pixels come back at every level, and no value lies on an edge between two pixels."""

import numpy as np
import pytest

from jaxgen.data.pixels import dequantise


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_every_level_comes_back_after_rounding_to_float32(levels):
    pixels = np.tile(np.arange(levels, dtype=np.uint8), (200, 1))
    x = dequantise(np.random.default_rng(0), pixels, levels)
    assert x.dtype == np.float32 and x.min() > -1 and x.max() < 1
    np.testing.assert_array_equal(np.floor(levels * (x.astype(np.float64) + 1) / 2), pixels)


def test_noise_lies_on_midpoints_of_its_cells_and_is_uniform():
    """An edge, drawn once in 65,536 times, would be a pixel's neighbour or the end of the interval."""
    x = dequantise(np.random.default_rng(0), np.zeros((5_000, 4), np.uint8), 2).astype(np.float64)
    cells = (x + 1) * 2**16
    np.testing.assert_array_equal(cells % 1, 0.5)
    assert abs(cells.mean() / 2**16 - 0.5) < 5 / np.sqrt(12 * x.size)
    # More rows than are dequantised at once: no two blocks share their draws.
    assert np.abs(x[:900] - x[4_096:4_996]).max() > 0.5
