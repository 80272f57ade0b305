"""The quadrature along curves against closed forms, and the geometry of each curve."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from jaxgen.data import curves
from jaxgen.data.polar import RADII, RING_NOISE, rings

MOONS_LOC = np.array([0.5, 0.25])
MOONS_SCALE = np.sqrt([0.75 + 0.0025, 0.5 - 4 / math.pi**2 + (2 / math.pi - 0.25) ** 2 + 0.0025])


def half_circle(radius):
    return curves._uniform(lambda a: radius * np.stack([np.cos(a), np.sin(a)], axis=1), 0.0, math.pi)


def log_density(x, nodes, weights, sigma):
    square = np.sum((x[:, None] - nodes) ** 2, axis=2)
    return logsumexp(-square / (2 * sigma**2), b=weights, axis=1) - math.log(2 * math.pi * sigma**2)


def test_two_half_circles_make_the_closed_form_of_a_ring():
    """An arc's density at x and at x mirrored average to the whole circle's, which is a Bessel function."""
    x = np.random.default_rng(0).uniform(-4, 4, size=(200, 2))
    parts = [curves.quadrature(half_circle(radius), RING_NOISE) for radius in RADII]
    upper = np.stack([log_density(x, *part, RING_NOISE) for part in parts])
    lower = np.stack([log_density(x * [1, -1], *part, RING_NOISE) for part in parts])
    with jax.enable_x64(True):
        exact = np.asarray(jax.jit(jax.vmap(rings().log_prob))(jnp.asarray(x)))
    np.testing.assert_allclose(logsumexp(np.concatenate([upper, lower]), axis=0) - math.log(8), exact, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("radius", [0.0, 0.9, 1.3, 3.0, 10.0, 100.0])
def test_far_tails_of_the_quadrature_against_a_rule_ten_times_finer(radius):
    angle = np.linspace(0, 2 * math.pi, 37)
    x = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    curve = half_circle(1.0)
    coarse = log_density(x, *curves.quadrature(curve, 0.05), 0.05)
    fine = log_density(x, *curves.quadrature(curve, 0.005), 0.05)
    np.testing.assert_allclose(coarse, fine, rtol=0 if radius <= 3 else 1e-5, atol=1e-9)


def test_quadrature_weights_are_a_law():
    nodes, weights = curves.quadrature(curves.Curve(curves._spiral(1.0), lambda v: 2 * v, np.sqrt, 0.0, 1.0), 0.04)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12) and np.all(weights > 0)
    assert weights @ np.sum(nodes**2, axis=1) == pytest.approx(0.5, abs=1e-12)


def test_two_moons_are_standardised_by_their_closed_form():
    """Mean and deviation by hand, and with them the density of the raw moons, by a trapezoid rule, is that of the standardised ones."""
    source = curves.two_moons()
    a = np.linspace(0.3, 2.8, 9)
    outer = (np.stack([np.cos(a), np.sin(a)], axis=1) - MOONS_LOC) / MOONS_SCALE
    inner = (np.stack([1 - np.cos(a), 0.5 - np.sin(a)], axis=1) - MOONS_LOC) / MOONS_SCALE
    assert np.all(source.mode(outer) == 0) and np.all(source.mode(inner) == 1)
    x = source.sample(np.random.default_rng(1), 200_000)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=0.01)
    angles = np.linspace(0, math.pi, 20_001)
    trapezoid = np.where((angles == 0) | (angles == angles[-1]), 0.5, 1.0) / 20_000
    arcs = np.concatenate([np.stack([np.cos(angles), np.sin(angles)], 1), np.stack([1 - np.cos(angles), 0.5 - np.sin(angles)], 1)])
    raw = log_density(outer[:3] * MOONS_SCALE + MOONS_LOC, arcs, np.tile(trapezoid, 2) / 2, 0.05)
    with jax.enable_x64(True):
        ours = np.asarray(jax.jit(jax.vmap(source.log_prob))(jnp.asarray(outer[:3])))
    np.testing.assert_allclose(ours, raw + np.log(MOONS_SCALE).sum(), atol=1e-6)


def test_spiral_arms_are_point_reflections():
    source = curves.two_spirals()
    x = source.sample(np.random.default_rng(2), 2_000)
    log_prob = jax.vmap(source.log_prob)
    np.testing.assert_allclose(log_prob(jnp.asarray(x)), log_prob(jnp.asarray(-x)), atol=1e-3)
    far = np.linalg.norm(x, axis=1) > 0.5
    assert np.array_equal(source.mode(x[far]), 1 - source.mode(-x[far]))


def test_the_swiss_roll_is_standardised_by_its_closed_form():
    source = curves.swiss_roll()
    t = np.linspace(1.5 * math.pi, 4.5 * math.pi, 400)
    roll = t[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1)
    # E[t cos t] = 6 pi / 3 pi and E[t sin t] = 2 / 3 pi over the interval; second moments by the same antiderivatives.
    loc = np.array([2.0, 2 / (3 * math.pi)])
    cos_square = ((t**3 / 6) + (t**2 / 4 - 1 / 8) * np.sin(2 * t) + t * np.cos(2 * t) / 4)[[0, -1]]
    cos_square = (cos_square[1] - cos_square[0]) / (3 * math.pi)
    square = (t[-1] ** 3 - t[0] ** 3) / (9 * math.pi)
    scale = np.sqrt(np.array([cos_square, square - cos_square]) - loc**2 + 0.25)
    assert np.all(source.mode((roll - loc) / scale) == 0)
    # The density on the roll is the noise's peak times the mass per length, 1 / (3 pi sqrt(1 + t**2)), but for a little curvature.
    middle = slice(100, 300)
    expected = -np.log(3 * math.pi * np.sqrt(1 + t**2) * math.sqrt(2 * math.pi) * 0.5) + np.log(scale).sum()
    ours = jax.jit(jax.vmap(source.log_prob))(jnp.asarray((roll - loc) / scale, jnp.float32))
    np.testing.assert_allclose(ours[middle], expected[middle], atol=0.01)
