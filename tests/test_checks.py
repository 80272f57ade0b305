"""What the checks of numbers let through, and how they name what they do not."""

import jax
import numpy as np
import pytest

from jaxgen import checks


@pytest.mark.parametrize("value", [0, -1, 2.0, np.nan, "3", None, True])
def test_no_count_is_named(value):
    with pytest.raises(ValueError, match=r"steps=.*; accepted: an integer of at least 1\."):
        checks.count("steps", value)


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(1)])
def test_integers_of_python_and_numpy_pass(value):
    checks.count("steps", value)
    checks.counts("fit", first=value, second=value)
    with pytest.raises(ValueError, match=r"fit: second=.*; accepted: an integer of at least 8\."):
        checks.count("fit: second", value, least=8)


@pytest.mark.parametrize("value", [0, 1, -2.0, np.nan, np.inf, "0.5", None, True, [0.5, 0.5]])
def test_no_number_is_named_with_its_limits(value):
    with pytest.raises(ValueError, match=r"share=.*; accepted: a finite number above 0 and below 1\."):
        checks.number("share", value, above=0, below=1)


def test_limits_that_may_be_reached():
    checks.number("share", 0, least=0, most=1)
    checks.number("share", np.float32(1), least=0, most=1)
    with pytest.raises(ValueError, match="at least 0 and at most 1"):
        checks.number("share", 1.01, least=0, most=1)


def test_a_traced_number_passes():
    def double(scale):
        checks.number("scale", scale, above=0)
        return 2 * scale

    assert jax.jit(double)(3.0) == 6
