"""Block autoregression: triangular in the order of the coordinates, increasing, onto, and exact where its weights are extreme."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import transforms as T


def drawn(f, d, scale, cond=None, seed=0):
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: f.init(jax.random.key(0), jnp.zeros(d), cond))
    return jax.tree.map(lambda s: jnp.asarray(scale * rng.standard_normal(s.shape)), shapes)


def test_it_is_triangular_increasing_and_exact_at_ten_times_the_scale(x64):
    with x64():
        f = T.block_autoregressive(4, 2)
        run = jax.jit(lambda p, x: (jax.jacfwd(lambda x: f.inverse(p, x).z)(x), f.inverse(p, x).log_det))
        for scale in (0.4, 4.0):
            params = drawn(f, 3, scale)
            for x in 1.5 * np.random.default_rng(1).standard_normal((4, 3)):
                jacobian, log_det = run(params, jnp.asarray(x))
                assert np.all(np.triu(jacobian, 1) == 0) and np.all(np.diag(jacobian) > 0)
                assert np.any(np.tril(jacobian, -1) != 0)
                np.testing.assert_allclose(log_det, np.log(np.diag(jacobian)).sum(), rtol=1e-9, atol=1e-9)


def test_every_noise_has_a_preimage(x64):
    """With a bounded activation the image would be bounded and the density would integrate to less than one."""
    with x64():
        f = T.block_autoregressive(4, 2)
        params = drawn(f, 3, 1.0)
        z = jnp.asarray([1e5, -1e5, 3.0])
        x, log_det = jax.jit(f.forward_and_log_det)(params, z)
        pre = jax.jit(f.inverse)(params, x)
        np.testing.assert_allclose(pre.z, z, rtol=1e-9, atol=1e-7)
        np.testing.assert_allclose(pre.log_det, -log_det, rtol=1e-9)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="width=0"):
        T.block_autoregressive(0)
