"""Sharpness: known slopes, and that blur lowers both measures."""

import numpy as np
import pytest
import scipy.ndimage

from jaxgen.evaluation import gradient_magnitude, laplacian_variance


def test_a_plane_has_its_slope_and_no_laplacian():
    y, x = np.mgrid[:9, :7]
    image = (0.3 * y - 0.4 * x)[None, :, :, None]
    np.testing.assert_allclose(gradient_magnitude(image), 0.5, rtol=1e-12)
    np.testing.assert_allclose(laplacian_variance(image), 0, atol=1e-20)


def test_a_paraboloid_has_a_constant_laplacian_and_a_checkerboard_an_alternating_one():
    y, x = np.mgrid[:8, :8]
    np.testing.assert_allclose(laplacian_variance((y**2 + x**2)[None, ..., None]), 0, atol=1e-20)
    np.testing.assert_allclose(laplacian_variance(((y + x) % 2)[None, ..., None]), 16, rtol=1e-12)


def test_blur_lowers_both():
    sharp = (np.random.default_rng(0).random((4, 16, 16, 1)) > 0.7).astype(float)
    blurred = scipy.ndimage.gaussian_filter(sharp, (0, 1, 1, 0))
    assert gradient_magnitude(blurred) < 0.6 * gradient_magnitude(sharp)
    assert laplacian_variance(blurred) < 0.2 * laplacian_variance(sharp)


def test_the_gradient_is_the_mean_length_of_differences_at_one_pixel():
    corner, ramp = np.zeros((1, 3, 3, 1)), np.zeros((1, 3, 3, 1))
    corner[0, 0, 0] = 1
    np.testing.assert_allclose(gradient_magnitude(corner), np.sqrt(2) / 4, rtol=1e-12)
    # Slopes of 0 and 2 have the mean length 1; the root of their mean square would be the root of 2.
    ramp[0, :, 2] = 2
    np.testing.assert_allclose(gradient_magnitude(ramp), 1.0, rtol=1e-12)


def test_the_laplacians_variance_is_within_each_image():
    y, x = np.mgrid[:8, :8]
    np.testing.assert_allclose(laplacian_variance(np.stack([y**2 + x**2, 0 * x])[..., None]), 0, atol=1e-20)


def test_bad_images_are_named():
    with pytest.raises(ValueError, match=r"gradient_magnitude: images=array of shape \(4, 16, 16\)"):
        gradient_magnitude(np.zeros((4, 16, 16)))
    with pytest.raises(ValueError, match="not finite"):
        laplacian_variance(np.full((1, 4, 4, 1), np.nan))
