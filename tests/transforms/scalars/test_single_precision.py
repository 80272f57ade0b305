"""Every scalar in float32, ON its knots and a few rounding errors beside them, at parameters up to ten times the default scale.

A float32 result counts as right if it is the float64 result for inputs that differ by a few rounding errors: near a knot where a slope
jumps by a factor of thousands nothing better can be asked of it.
"""

import functools
import math
import zlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from jaxgen import transforms as T
from jaxgen.transforms import scalars

EPS = float(np.finfo(np.float32).eps)


class Case(NamedTuple):
    """scalar; bound: of the interval that is mapped onto itself, or None; kind: how knots are found; wraps: not increasing in numbers."""

    scalar: T.Scalar
    bound: float | None = None
    kind: str = "smooth"
    wraps: bool = False


CASES = {
    "scale_and_shift": Case(T.scale_and_shift()),
    "rational_quadratic": Case(T.rational_quadratic(5, 2.0), 2.0, "spline"),
    "rational_quadratic of two bins": Case(T.rational_quadratic(2, 5.0), 5.0, "spline"),
    "rational_quadratic of many bins": Case(T.rational_quadratic(20, 1.0), 1.0, "spline"),
    "circular_spline": Case(T.circular_spline(5), math.pi, "spline", wraps=True),
    "circular_spline without phase": Case(T.circular_spline(5, phase=False), math.pi, "spline"),
    "binned": Case(T.binned(6, 2.0), None, "bins"),
    "binned finely": Case(T.binned(), None, "bins"),
    "mixture_logit": Case(T.mixture_logit(3)),
    "deep_sigmoidal": Case(T.deep_sigmoidal(3)),
    "power_tails": Case(T.power_tails()),
    "student_tails": Case(T.student_tails()),
}
over_cases = pytest.mark.parametrize("name", list(CASES))
SCALES, NUM_THETAS = (1.0, 5.0, 10.0), 5
ULPS = np.array([0, -1, 1, -2, 2, -4, 4, -30, 30])


def test_every_continuous_scalar_is_held_to_these_laws():
    # `above` and `between` are the bounded maps of test_bounded.py between affine ones: outside of their image there is no value to be held.
    factories = {n for n in scalars.__all__ if n not in ("Scalar", "of_angles", "categorical", "above", "between")}
    assert factories == {name.split(" ")[0] for name in CASES}


def knots_of(case: Case, theta: np.ndarray, way: str) -> np.ndarray:
    """The knots that the inputs of a direction have, `(k,)`."""
    if case.kind == "spline":
        num = {14: 5, 5: 2, 59: 20, 16: 5, 15: 5}[case.scalar.num_params]
        raw = theta[num : 2 * num] if way == "forward" else theta[:num]
        share = 1e-3 + (1 - num * 1e-3) * scipy.special.softmax(raw)
        inner = case.bound * (2 * np.cumsum(share)[:-1] - 1)
        middles = np.concatenate([[-case.bound], inner]) + case.bound * share
        if way == "inverse" and case.wraps:
            inner = (inner + theta[-1] + np.pi) % (2 * np.pi) - np.pi
        return np.concatenate([inner, middles, [-case.bound, case.bound, 0.0]])
    if case.kind == "bins":
        num, bound = case.scalar.num_params, 2.0 if case.scalar.num_params == 6 else 3.0
        mass = (1 - 2e-5) * scipy.special.softmax(5 * theta) + 2e-5 / num
        keep = slice(None, None, max(1, num // 8))
        if way == "forward":
            return np.concatenate([np.cumsum(mass)[:-1][keep], [0.5, 1e-6]])
        return np.concatenate([np.linspace(-bound, bound, num + 1)[keep], [-40.0, 40.0]])
    rng = np.random.default_rng(7)
    return np.concatenate([[0.0, 1.0, -1.0, 6.0, -6.0], 2 * rng.standard_normal(5)])


def inputs_of(name: str, way: str) -> tuple[np.ndarray, np.ndarray]:
    """Float32 parameters `(num_thetas, num_params)` and, for each, its sorted inputs `(num_thetas, m)`."""
    case, rng = CASES[name], np.random.default_rng(zlib.crc32(name.encode()))
    theta = np.concatenate([s * rng.standard_normal((NUM_THETAS, case.scalar.num_params)) for s in SCALES]).astype(np.float32)
    knots = np.stack([knots_of(case, t.astype(np.float64), way) for t in theta]).astype(np.float32)
    beside = knots[..., None] + ULPS.astype(np.float32) * np.spacing(np.abs(knots))[..., None]
    v = np.sort(beside.reshape(len(theta), -1), axis=1)
    return theta, np.clip(v, 0, 1 - EPS) if case.kind == "bins" and way == "forward" else v


@functools.cache
def in_float32(name: str, way: str):
    """Value, log slope and the other direction's log slope at the value; and the gradients of the first two, by theta and by the input."""
    scalar = CASES[name].scalar
    there, back = (scalar.forward, scalar.inverse) if way == "forward" else (scalar.inverse, scalar.forward)

    def results(theta, v):
        (y, log_slope), pull = jax.vjp(there, theta, v)
        one, zero = jnp.ones_like(y), jnp.zeros_like(y)
        return y, log_slope, back(theta, y)[1], [pull(row) for row in ((one, zero), (zero, one))]

    theta, v = inputs_of(name, way)
    y, log_slope, again, gradients = jax.jit(jax.vmap(jax.vmap(results, (None, 0))))(jnp.asarray(theta), jnp.asarray(v))
    return *(np.asarray(a) for a in (y, log_slope, again)), gradients


over_ways = pytest.mark.parametrize("way", ["forward", "inverse"])


@over_cases
@over_ways
def test_values_slopes_and_gradients_are_finite_inside_and_increasing(name, way):
    case, (theta, v) = CASES[name], inputs_of(name, way)
    y, log_slope, again, gradients = in_float32(name, way)
    assert y.dtype == np.float32
    for leaf in jax.tree.leaves((y, log_slope, again, gradients)):
        assert np.isfinite(leaf).all()
    if case.bound is not None:
        inside = np.abs(v) <= np.float32(case.bound)
        assert np.all(np.abs(y[inside]) <= np.float32(case.bound))
    if case.kind == "bins" and way == "inverse":
        assert np.all((y >= 0) & (y < 1))
    if not case.wraps:
        size = case.bound or 1 + np.abs(y[:, 1:]) + np.abs(theta).max(1, keepdims=True)
        assert np.all(np.diff(y, axis=1) >= -128 * EPS * size)


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("mixture_logit", "deep_sigmoidal")])
@over_ways
def test_values_and_slopes_are_those_of_inputs_that_rounding_does_not_tell_apart(name, way, x64):
    """In float64, the log slopes over a few rounding errors around the input, and around the value, hold both directions' float32 slopes."""
    case, (theta, v) = CASES[name], inputs_of(name, way)
    y, log_slope, again, _ = in_float32(name, way)
    with x64():
        scalar, unit = case.scalar, np.linspace(-24 * EPS, 24 * EPS, 25)
        there, back = (scalar.forward, scalar.inverse) if way == "forward" else (scalar.inverse, scalar.forward)

        def around(function, at, uniform):
            size = 1.0 if uniform else case.bound or 1 + np.abs(at) + np.abs(theta).max(1, keepdims=True)
            grid = at.astype(np.float64)[..., None] + np.broadcast_to(size, at.shape)[..., None] * unit
            grid = np.clip(grid, 1e-9, 1 - 1e-9) if uniform else grid
            results = jax.jit(jax.vmap(jax.vmap(jax.vmap(function, (None, 0)), (None, 0))))(theta.astype(np.float64), grid)
            return (np.asarray(r) for r in results)

        uniform = case.kind == "bins"
        values, of_there = around(there, v, uniform and way == "forward")
        _, of_back = around(back, y, uniform and way == "inverse")
    slopes = np.concatenate([of_there, -of_back], -1)
    # A value held below overflow, and an angle whose neighbour is beyond the end of the circle, are left to the law above.
    shown = (np.abs(values) < 1e12).all(-1) & ((np.ptp(values, axis=-1) < 3) | (not case.wraps))
    assert shown.mean() > 0.8
    margin = 128 * EPS * np.broadcast_to(case.bound or 1 + np.abs(y) + np.abs(theta).max(1, keepdims=True), y.shape)
    assert np.all(((y >= values.min(-1) - margin) & (y <= values.max(-1) + margin))[shown])
    least, range_of = slopes.min(-1), np.ptp(slopes, axis=-1)
    for log in (log_slope, -again):
        beyond = np.maximum(least - log, log - least - range_of)[shown]
        # A grid does not hit every peak that a log slope may have on a knot.
        assert np.mean(beyond <= 2e-3 + 0.05 * range_of[shown]) > 0.95
