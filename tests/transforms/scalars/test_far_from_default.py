"""Every scalar at parameters ten times the default scale: slopes exact in float64, values and gradients finite in float32.

The reports of other libraries that these laws answer: gradients NaN outside a spline's interval (flowjax 239) and a negative
discriminant in the spline's inverse (nflows 87).
"""

import functools
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import transforms as T

SCALARS = {
    "affine": T.scale_and_shift(),
    "spline": T.rational_quadratic(5, 2.0),
    "mixture": T.mixture_logit(3),
    "circular": T.circular_spline(5),
    "sigmoidal": T.deep_sigmoidal(3),
    "power": T.power_tails(),
    "student": T.student_tails(),
}
over_scalars = pytest.mark.parametrize("name", list(SCALARS))
# Ten times the 0.4 of the contract's cases.
SCALE, N = 4.0, 40


def drawn(name):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    theta = SCALE * rng.standard_normal((N, SCALARS[name].num_params))
    v = 1.5 * rng.standard_normal(N)
    v[:8] = [2.0, -2.0, 0.0, 2.5, -3.0, 5.0, -5.0, 1e-9]
    return theta, v


@over_scalars
def test_slopes_are_exact_in_both_directions(name, x64):
    with x64():
        scalar = SCALARS[name]

        def both(theta, v):
            out = []
            for one, other in ((scalar.forward, scalar.inverse), (scalar.inverse, scalar.forward)):
                (y, log_slope), (slope, _) = jax.jvp(functools.partial(one, theta), (v,), (jnp.ones_like(v),))
                out.append((log_slope, jnp.log(slope), other(theta, y)[0]))
            return out

        theta, v = drawn(name)
        for log_slope, expected, again in jax.jit(jax.vmap(both))(jnp.asarray(theta), jnp.asarray(v)):
            # Where a slope underflows, only its logarithm still says what it is.
            seen = np.isfinite(expected)
            assert seen.mean() > 0.8 and np.isfinite(log_slope).all()
            np.testing.assert_allclose(log_slope[seen], expected[seen], rtol=1e-9, atol=1e-9)
            # What was nearly flattened comes back with an error that the flattening magnifies.
            steep = np.asarray(log_slope) > -6
            assert steep.mean() > 0.3
            np.testing.assert_allclose(again[steep], v[steep], rtol=1e-9, atol=1e-9)


@over_scalars
def test_values_and_gradients_are_finite_in_float32(name):
    scalar = SCALARS[name]
    theta, v = (jnp.asarray(a, jnp.float32) for a in drawn(name))
    v = v.at[10:14].set(jnp.asarray([20.0, -20.0, 2e3, -2e3]))

    def total(theta, v):
        (x, forward), (z, inverse) = scalar.forward(theta, v), scalar.inverse(theta, v)
        return jnp.tanh(x) + jnp.tanh(z) + forward / 1e4 + inverse / 1e4

    for leaf in jax.tree.leaves(jax.jit(jax.vmap(jax.value_and_grad(total, (0, 1))))(theta, v)):
        assert np.isfinite(leaf).all()
