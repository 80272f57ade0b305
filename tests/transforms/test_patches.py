"""Patches of an image: in raster order, each a corner of the picture, and sizes that do not divide it are refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import transforms as T


def test_rows_are_the_patches_in_raster_order():
    x = np.arange(4 * 6 * 2).reshape(4, 6, 2)
    rows = T.patches((4, 6, 2), 2).inverse((), jnp.asarray(x)).z
    assert rows.shape == T.num_patches((4, 6, 2), 2) == (6, 8)
    np.testing.assert_array_equal(rows[0], x[:2, :2].ravel())
    np.testing.assert_array_equal(rows[4], x[2:, 2:4].ravel())


@pytest.mark.parametrize("size", [0, 4])
def test_a_size_that_does_not_divide_the_image_is_refused(size):
    with pytest.raises(ValueError, match=f"patches: size={size}"):
        T.patches((6, 6, 1), size)
