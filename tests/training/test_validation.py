"""The validation loss is that of all held-out events with their own conditions, at the end of the clock."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import Batch, Entry, Model, Objective, Transform, bases, fit
from jaxgen.objective import no_aux
from jaxgen.training import adam
from jaxgen.training.validation import validation_loss
from jaxgen.transform import Maps


def shifted_entry():
    """A model that adds its one param and the condition; its loss has a closed form in events, conditions, params and the clock."""
    transform = Transform(lambda key, z, cond=None: jnp.full((), 2.0), Maps(lambda params, z, cond=None: z + params + cond))
    model = Model(bases.normal((1,)), transform)

    def loss(params, aux, key, batch, clock):
        return jnp.mean((batch.x - batch.cond) ** 2) + params**2 + clock.step / clock.num_steps, {}

    return Entry(model, Objective(no_aux, loss), adam(0.1))


@pytest.mark.parametrize(("num", "counted"), [(7, 7), (1_000, 1_000), (2_501, 2_499)])
def test_all_equal_slices_count(num, counted):
    """2,501 events are three slices of 833; the last two events are left out."""
    x, cond = np.random.default_rng(num).standard_normal((2, num, 1)).astype(np.float32) * np.linspace(1, 3, num)[:, None]
    value = validation_loss(shifted_entry(), Batch(jnp.asarray(x, jnp.float32), jnp.asarray(cond, jnp.float32)), 10)(2.0, ())
    np.testing.assert_allclose(value, np.mean((x - cond)[:counted] ** 2) + 4 + 1, rtol=1e-5)


def test_fit_validates_with_the_conditions_of_the_held_out_events(key):
    x, cond = np.random.default_rng(0).standard_normal((2, 30, 1)).astype(np.float32)
    valid, valid_cond = 3 * x[:20] + 1, 2 - cond[:20]
    fitted = fit(key, shifted_entry(), x, 4, cond=cond, valid=valid, valid_cond=valid_cond, batch_size=8, eval_every=4, progress=False)
    truth = np.mean((valid - valid_cond) ** 2) + float(fitted.params) ** 2 + 1
    np.testing.assert_allclose(fitted.history["valid_loss"], [truth], rtol=1e-5)
