"""The bound of the spectral norm against numpy's singular values, where they meet, vanish, and leave the range of their squares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets
from jaxgen.nets.lipschitz import _LipschitzDense, spectral_bound


def test_the_bound_lies_above_the_spectral_norm_by_at_most_a_percent(x64):
    with x64():
        rng = np.random.default_rng(0)
        for shape in ((1, 5), (7, 3), (24, 24)):
            kernel = rng.standard_normal(shape)
            bound, norm = float(spectral_bound(jnp.asarray(kernel))), np.linalg.norm(kernel, 2)
            assert norm * (1 - 1e-12) <= bound <= 1.01 * norm
        np.testing.assert_allclose(spectral_bound(3 * jnp.eye(64)), 3 * 64 ** (1 / 512), rtol=1e-12)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_it_scales_with_the_kernel_in_float32_and_so_does_its_gradient(size):
    kernel = np.random.default_rng(0).standard_normal((6, 4))
    value, gradient = jax.value_and_grad(spectral_bound)(jnp.asarray(size * kernel, jnp.float32))
    np.testing.assert_allclose(value / size, np.linalg.norm(kernel, 2), rtol=1e-2)
    left, _, right = np.linalg.svd(kernel)
    np.testing.assert_allclose(gradient, np.outer(left[:, 0], right[0]), atol=2e-2)
    np.testing.assert_allclose(np.sum(gradient * kernel), value / size, rtol=1e-4)


def test_gradients_are_finite_at_zero_and_where_singular_values_meet():
    assert spectral_bound(jnp.zeros((3, 4))) == 0 and not jax.grad(spectral_bound)(jnp.zeros((3, 4))).any()
    np.testing.assert_allclose(jax.grad(spectral_bound)(jnp.eye(3)), np.eye(3) / 3, rtol=2e-2, atol=1e-6)


def test_the_constant_is_kept_and_reached_with_the_activation_at_its_steepest():
    """Kernels far beyond their bound, along the whole of one unit: every factor of the constant is in use, and none exceeds one."""
    net = nets.lipschitz_mlp(1, width=1, depth=2, lipschitz=0.9)
    params = jax.tree.map(lambda a: jnp.full(a.shape, 1e3) if a.ndim == 2 else a, net.init(jax.random.key(0), jnp.zeros(1)))
    slopes = jax.jit(jax.vmap(jax.grad(lambda x: net.apply(params, x[None])[0])))(jnp.linspace(-20, 20, 2_001))
    assert 0.85 < np.abs(slopes).max() <= 0.9


@pytest.mark.parametrize("size", [1e-3, 0.4])
def test_a_kernel_below_the_bound_is_left_as_it_is(size):
    layer, x = _LipschitzDense(3, 0.5), jnp.asarray([0.3, -2.0, 1.0])
    kernel, bias = size * jnp.eye(3), jnp.asarray([1.0, 2.0, 3.0])
    np.testing.assert_allclose(layer.apply({"params": {"kernel": kernel, "bias": bias}}, x), x @ kernel + bias, rtol=1e-6)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"lipschitz=1\.5; accepted: a finite number above 0 and below 1"):
        nets.lipschitz_mlp(2, lipschitz=1.5)
    with pytest.raises(ValueError, match="depth=0"):
        nets.lipschitz_mlp(2, depth=0)
