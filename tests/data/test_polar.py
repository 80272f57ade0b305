"""Symmetries and labels of the rings and the pinwheel."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from jaxgen.data.polar import RADII, RING_NOISE, pinwheel, rings


def turned(x, angle):
    return x @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def test_ring_radii_follow_rice_and_angles_are_uniform():
    x = rings().sample(np.random.default_rng(0), 20_000)
    radius, angle = np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0])
    law = lambda r: np.mean([stats.rice.cdf(r, R / RING_NOISE, scale=RING_NOISE) for R in RADII], axis=0)
    assert stats.kstest(radius, law).pvalue > 1e-3
    assert stats.kstest(angle, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-3


def test_ring_density_is_rice_over_the_circumference():
    r = np.array([0.3, 0.6, 0.95, 1.8, 2.7])
    rice = np.mean([stats.rice.pdf(r, R / RING_NOISE, scale=RING_NOISE) for R in RADII], axis=0)
    x = turned(np.stack([r, 0 * r], axis=1), 0.7)
    with jax.enable_x64(True):
        ours = np.asarray(jax.jit(jax.vmap(rings().log_prob))(jnp.asarray(x)))
    np.testing.assert_allclose(ours, np.log(rice / (2 * math.pi * r)), rtol=1e-9)


def test_rings_are_labelled_from_the_inside():
    x = np.stack([[0.0, 0.6, 0.85, 0.9, 1.2, 1.8, 2.4, 2.79, 2.81], np.zeros(9)], axis=1)
    assert np.array_equal(rings().mode(turned(x, 2.0)), [-1, 0, 0, 1, 1, 2, 3, 3, -1])


def test_a_fifth_of_a_turn_moves_each_blade_onto_the_next():
    source = pinwheel()
    x = source.sample(np.random.default_rng(1), 2_000)
    y = turned(x, 2 * math.pi / 5)
    np.testing.assert_allclose(
        jax.jit(jax.vmap(source.log_prob))(jnp.asarray(x)), jax.jit(jax.vmap(source.log_prob))(jnp.asarray(y)), atol=1e-3
    )
    labels = source.mode(x)
    known = labels >= 0
    assert known.mean() > 0.999
    assert np.array_equal(source.mode(y)[known], (labels[known] + 1) % 5)


def test_the_twist_keeps_areas():
    """The change of variables by its determinant: straight blade -> blade, in float64, away from the origin."""
    source = pinwheel()

    def twist(u):
        radius, angle = jnp.hypot(*u), jnp.arctan2(u[1], u[0])
        angle += 2 * jnp.tanh(radius / 1.5)
        return radius * jnp.stack([jnp.cos(angle), jnp.sin(angle)])

    u = np.random.default_rng(2).normal(size=(16, 2)) * [0.3, 0.15] + [1.5, 0.0]
    with jax.enable_x64(True):
        _, log_det = jnp.linalg.slogdet(jax.jit(jax.vmap(jax.jacfwd(twist)))(jnp.asarray(u)))
        ours = np.asarray(jax.jit(jax.vmap(source.log_prob))(jax.jit(jax.vmap(twist))(jnp.asarray(u))))
    np.testing.assert_allclose(log_det, 0, atol=1e-12)
    angles = 2 * math.pi / 5 * np.arange(5)
    blades = [stats.multivariate_normal([1.5, 0], np.diag([0.45**2, 0.15**2])).pdf(turned(u, -a)) for a in angles]
    np.testing.assert_allclose(ours, np.log(np.mean(blades, axis=0)), rtol=1e-9)
