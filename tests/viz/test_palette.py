"""Colours: a function of the place in the base alone, readable on both grounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import rgb_to_hsv, to_rgb

from jaxgen.viz.palette import INK, NEUTRAL, base_colours


def _contrast(one, other):
    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return np.dot([0.2126, 0.7152, 0.0722], linear)

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["gaussian", "uniform", "logistic"]), factor=st.floats(0.05, 20))
def test_colours_are_rgb_and_belong_to_the_place(seed, kind, factor):
    positions = factor * np.random.default_rng(seed).standard_normal((30, 2))
    colours = base_colours(positions, kind)
    assert colours.shape == (30, 3)
    assert colours.min() >= 0 and colours.max() <= 1
    np.testing.assert_array_equal(base_colours(positions[10:20], kind), colours[10:20])


def test_angle_is_hue_and_radius_is_saturation():
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    outer, inner = rgb_to_hsv(base_colours(2.5 * circle, "gaussian")), rgb_to_hsv(base_colours(0.3 * circle, "gaussian"))
    assert np.diff(np.sort(outer[:, 0])).min() > 0.02
    assert np.all(outer[:, 1] > inner[:, 1])


def test_bases_of_different_kinds_agree_at_equal_quantiles():
    uniform = np.random.default_rng(0).uniform(size=(50, 2))
    np.testing.assert_allclose(base_colours(np.log(uniform / (1 - uniform)), "logistic"), base_colours(uniform, "uniform"), atol=1e-9)
    shifted = 5.0 + 3.0 * uniform
    np.testing.assert_allclose(base_colours(shifted, "other"), base_colours(uniform, "other"), atol=1e-6)


def test_a_position_that_is_not_finite_is_grey():
    red, green, blue = base_colours(np.array([[np.nan, 1.0]]), "gaussian")[0]
    assert red == pytest.approx(green, abs=1e-3) == pytest.approx(blue, abs=1e-3)


@pytest.mark.parametrize("ground", ["#ffffff", "#181b1f"])
def test_text_and_the_neutral_accent_read_on_light_and_dark(ground):
    assert _contrast(to_rgb(INK), to_rgb(ground)) > 3.5
    assert _contrast(to_rgb(NEUTRAL), to_rgb(ground)) > 2.5
