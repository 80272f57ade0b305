"""Categories as cells of noise: every code survives the way to its cell and back in float32, however unlikely it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import transforms as T


@pytest.mark.parametrize("noise", ["uniform", "logistic"])
@pytest.mark.parametrize("num", [2, 16, 256])
def test_every_code_survives_the_round_trip_in_float32(num, noise):
    scalar, rng = T.categorical(num, noise), np.random.default_rng(num)
    theta = jnp.asarray(np.concatenate([s * rng.standard_normal((40, num)) for s in (1.0, 5.0, 20.0)]), jnp.float32)
    codes = jnp.arange(num, dtype=jnp.float32)

    @jax.jit
    @jax.vmap
    def round_trip(theta):
        z, log_det = jax.jit(jax.vmap(lambda x: scalar.inverse(theta, x)))(codes)
        return z, log_det, *jax.vmap(lambda z: scalar.forward(theta, z))(z)

    z, log_det, again, log_det_again = (np.asarray(a) for a in round_trip(theta))
    np.testing.assert_array_equal(again, np.broadcast_to(codes, again.shape))
    np.testing.assert_allclose(log_det_again, -log_det, rtol=1e-3, atol=1e-4)
    assert np.all(np.diff(z, axis=1) > 0)
