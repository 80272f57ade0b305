"""How the length of an adaptive step follows its error; what solves reach is in test_ode."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.numerics.step_control import step_factor


def test_the_next_step_aims_at_nine_tenths_of_the_length_that_would_just_pass():
    """The error of order 5 is 32 times as large for twice the length; lengths change by 0.2 to 10, and by 0.2 where nothing is known."""
    r = jnp.asarray([1 / 32, 0.999, 1.0, 32.0, 0.0, 1e9, np.nan, np.inf])
    found = jax.jit(jax.vmap(lambda r: step_factor(r, 5)))(r)
    np.testing.assert_allclose(found, [1.8, 0.9 * 0.999**-0.2, 0.9, 0.45, 10, 0.2, 0.2, 0.2], rtol=1e-6)
