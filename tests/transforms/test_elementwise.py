"""Lifted scalars: events of any shape, one set of parameters a coordinate."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import nets
from jaxgen import transforms as T


def test_events_of_any_shape_with_their_own_parameters(key):
    f, z = T.elementwise(T.scale_and_shift()), jnp.arange(6.0).reshape(2, 3)
    params = f.init(key, z)
    assert params.shape == (2, 3, 2) and not params.any()
    params = jnp.asarray(np.random.default_rng(0).standard_normal((2, 3, 2)), jnp.float32)
    x, log_det = f.forward_and_log_det(params, z)
    log_scale = 3 * np.tanh(params[..., 1] / 3)
    np.testing.assert_allclose(x, params[..., 0] + np.exp(log_scale) * z, rtol=1e-5)
    np.testing.assert_allclose(log_det, log_scale.sum(), rtol=1e-5)
    assert T.elementwise(T.scale_and_shift()).forward(jnp.asarray([1.0, 0.0]), jnp.asarray(2.0)) == 3.0


def test_a_network_of_the_condition_sets_the_parameters(key):
    f = T.elementwise(T.scale_and_shift(), lambda out: nets.mlp(out, width=8, depth=1))
    z = jnp.zeros(3)
    params = f.init(key, z, jnp.ones(2))
    x = [f.forward(params, z, jnp.full((2,), c)) for c in (0.0, 1.0)]
    assert not np.allclose(*x)
    jacobian = jax.jacfwd(lambda z: f.forward(params, z, jnp.ones(2)))(z)
    np.testing.assert_array_equal(jacobian, np.diag(np.diag(jacobian)))
