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


@pytest.mark.parametrize("value", [2**32, np.int64(2**40), 10**30])
def test_a_count_that_32_bits_do_not_hold_is_named(value):
    with pytest.raises(ValueError, match=r"steps=.*; accepted: an integer from 1 to 4294967295\."):
        checks.count("steps", value)


@pytest.mark.parametrize("value", [10**400, object(), {}, np.zeros(3)])
def test_no_number_of_any_kind_ends_in_a_traceback(value):
    with pytest.raises(ValueError, match=r"^share=.*; accepted: a finite number\.$"):
        checks.number("share", value)


@pytest.mark.parametrize("value", [None, "x", ["x"], object(), [[1], [2, 3]], 10**400, np.array(["a"]), np.ones(2, complex), {"x": 1}])
def test_what_is_no_array_of_numbers_is_named(value):
    with pytest.raises(ValueError, match=r"^f: x=.*; accepted: numbers\.$"):
        checks.numbers("f: x", value)
    with pytest.raises(ValueError, match=r"^f: x=.*; accepted: a tuple of integers of at least 1"):
        checks.shape("f: x", value)


def test_numbers_and_shapes_of_any_dtype_pass():
    assert checks.numbers("f: x", [True, 2, 0.5]).tolist() == [1.0, 2.0, 0.5]
    assert checks.numbers("f: x", jax.numpy.ones(2, jax.numpy.bfloat16)).dtype == np.float64
    assert checks.shape("f: x", [np.int64(2), 3]) == (2, 3) and checks.shape("f: x", ()) == ()
    with pytest.raises(ValueError, match=r"f: x=\(0,\)"):
        checks.shape("f: x", (0,))


@pytest.mark.parametrize("value", [np.zeros(2), np.zeros(2, int), "0", -1, 2**32, True, np.array(["a"])])
def test_what_is_no_key_is_named(value):
    with pytest.raises(ValueError, match=r"^f: key=.*; accepted: a key such as"):
        checks.key("f: key", value)


@pytest.mark.parametrize("value", [jax.random.key(0), jax.random.PRNGKey(0), np.asarray(jax.random.PRNGKey(0)), 7, np.uint8(7)])
def test_a_key_of_either_form_and_a_seed_pass(value):
    assert jax.random.split(checks.key("f: key", value), 3).shape[0] == 3


def test_a_leaf_that_is_no_array_is_named_by_its_path():
    checks.leaves("f: params", {"w": np.ones(2), "b": [1, 2.0, jax.numpy.ones(1)]})
    with pytest.raises(ValueError, match=r"^f: params\['b'\]\[1\]='x'; accepted: arrays of numbers\.$"):
        checks.leaves("f: params", {"b": [1, "x"]})
