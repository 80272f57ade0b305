"""Root finding against an equation with a known inverse, its gradients against the closed form, both modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.numerics import monotone_root, safe_norm


def logit(theta, x):
    """Increasing in x; the root of `scale * arcsinh(x) + shift = target` is `sinh((target - shift) / scale)`."""
    return theta[0] * jnp.arcsinh(x) + theta[1]


def solved(theta, target):
    return monotone_root(logit, theta, target, jnp.asarray(-1e4), jnp.asarray(1e4))


def closed(theta, target):
    return jnp.sinh((target - theta[1]) / theta[0])


@pytest.mark.parametrize("target", [-6.0, 0.3, 0.4, 5.0])
def test_root_and_its_derivatives_are_the_closed_form(target, x64):
    with x64():
        theta, target = jnp.asarray([0.8, 0.3]), jnp.asarray(target)
        np.testing.assert_allclose(solved(theta, target), closed(theta, target), rtol=1e-10, atol=1e-12)
        for mode in (jax.jacfwd, jax.jacrev):
            for ours, theirs in zip(mode(solved, (0, 1))(theta, target), mode(closed, (0, 1))(theta, target), strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


def test_roots_in_float32_under_vmap_and_scan():
    """A rule that closes over values of a surrounding scan cannot be differentiated there; the bracket is such a value."""
    theta = jnp.asarray([0.8, 0.3])

    def total(theta):
        def step(carry, target):
            x = monotone_root(logit, theta, target, -1e4 + carry, 1e4 + carry)
            return jnp.tanh(carry + x), x

        return jnp.sum(jax.lax.scan(step, jnp.zeros(()), jnp.asarray([0.1, -0.4, 1.0]))[1])

    expected = jax.grad(lambda theta: jnp.sum(closed(theta, jnp.asarray([0.1, -0.4, 1.0]))))(theta)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(total))(theta), expected, rtol=1e-4)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(theta), expected, rtol=1e-4)


def test_a_flat_stretch_falls_back_to_bisection(x64):
    with x64():

        def flat(theta, x):
            return jnp.clip(x, -1, 0) + jnp.clip(x - 3, 0, 1) * 2 + 0 * theta

        x = monotone_root(flat, jnp.asarray(0.0), jnp.asarray(1.0), jnp.asarray(-50.0), jnp.asarray(40.0))
        np.testing.assert_allclose(x, 3.5, rtol=1e-10)


@pytest.mark.parametrize("steepness", [3.0, 30.0, 1000.0])
def test_a_staircase_is_climbed(steepness, x64):
    """Newton's steps from one tread to the next swing to and fro between them for ever, inside the bracket."""

    def staircase(theta, x):
        return 0.1 * x + jnp.tanh(theta * (x - 1)) + jnp.tanh(theta * (x + 0.7))

    with x64():
        target = jnp.linspace(-3, 3, 400)
        theta, low, high = (jnp.full(400, a) for a in (steepness, -60.0, 60.0))
        x = jax.jit(jax.vmap(lambda *args: monotone_root(staircase, *args)))(theta, target, low, high)
        np.testing.assert_allclose(staircase(theta, x), target, atol=1e-12)


def test_safe_norm_is_the_norm_with_gradient_zero_at_the_origin():
    x = jnp.asarray([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(safe_norm(x), [5.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda x: jnp.sum(safe_norm(x)))(x), [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
