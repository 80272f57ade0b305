"""Elementary functions where the plain ones have no derivative: the norm at the origin, a clip on and beyond its ends."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.numerics import safe_norm, straight_clip


def test_safe_norm_is_the_norm_with_a_gradient_everywhere():
    x = jnp.array([3.0, -4.0])
    assert safe_norm(x) == 5 and safe_norm(0 * x) == 0
    np.testing.assert_allclose(jax.grad(safe_norm)(x), [0.6, -0.8], rtol=1e-6)
    assert np.array_equal(jax.grad(safe_norm)(0 * x), [0.0, 0.0])
    assert np.isinf(safe_norm(x * 1e30))


def test_a_straight_clip_holds_the_value_and_not_the_derivative():
    x = jnp.asarray([-2.0, 0.0, 0.3, 1.0, 5.0, jnp.nan])
    held = jax.jit(jax.vmap(jax.value_and_grad(lambda x: straight_clip(x, 0.0, 1.0))))(x)
    np.testing.assert_array_equal(held[0], [0, 0, np.float32(0.3), 1, 1, np.nan])
    np.testing.assert_array_equal(held[1], 1)
