"""Angles: densities are continuous around the circle, integrate to one, and are zero off it."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import nets
from jaxgen import transforms as T

SCALAR = T.circular_spline(5)
THETA = np.random.default_rng(3).standard_normal(SCALAR.num_params)


def inverse(x, theta=THETA, scalar=SCALAR):
    return jax.jit(jax.vmap(scalar.inverse, (None, 0)))(jnp.asarray(theta), jnp.asarray(x))


def test_the_density_is_continuous_where_the_circle_closes(x64):
    with x64():
        step = 1e-7
        ends = np.array([-np.pi, -np.pi + step, np.pi - 2 * step, np.pi - step])
        for scalar, theta in ((SCALAR, THETA), (T.circular_spline(5, phase=False), THETA[:-1])):
            at = np.asarray(inverse(ends, theta, scalar)[1])
            np.testing.assert_allclose(at[0], at[-1], atol=1e-4)
            assert abs(at[0]) > 0.05
        z = np.asarray(inverse(np.array([-np.pi, np.pi - step]))[0])
        assert np.allclose(np.exp(1j * z[0]), np.exp(1j * z[1]), atol=1e-4)


def test_the_density_integrates_to_one_and_the_image_is_the_circle(x64):
    with x64():
        x = -np.pi + 2 * np.pi * (np.arange(4000) + 0.5) / 4000
        z, log_slope = inverse(x)
        assert abs(np.mean(np.exp(log_slope)) - 1) < 1e-3
        assert np.all((z >= -np.pi) & (z < np.pi))
        # Increasing around the circle: one step down, where it closes.
        assert np.sum(np.diff(z) < 0) == 1


def test_off_the_circle_it_is_the_identity_and_finite():
    x = jnp.asarray([-40.0, -3.2, 3.15, 4e3])
    z, log_slope = inverse(x, THETA.astype(np.float32))
    np.testing.assert_array_equal(z, x)
    np.testing.assert_array_equal(log_slope, 0)
    for function in (SCALAR.forward, SCALAR.inverse):
        by_theta = jax.jit(jax.vmap(jax.grad(lambda t, x, f=function: sum(f(t, x))), (None, 0)))(jnp.asarray(THETA, jnp.float32), x)
        assert np.isfinite(by_theta).all()


def test_a_network_of_angles_does_not_see_full_turns(key):
    net = T.of_angles(nets.mlp(3, width=8, depth=1))
    x = jnp.asarray([0.3, -2.0])
    params = net.init(key, x, jnp.ones(2))
    np.testing.assert_allclose(net.apply(params, x, jnp.ones(2)), net.apply(params, x + 2 * np.pi, jnp.ones(2)), atol=1e-5)
    assert not np.allclose(net.apply(params, x, jnp.ones(2)), net.apply(params, -x, jnp.ones(2)))
