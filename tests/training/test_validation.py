"""The validation loss is that of all held-out events with their own conditions, at the end of the clock."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import Batch, Entry, Model, Objective, Transform, bases, fit
from jaxgen.objective import Schedule, no_aux
from jaxgen.training import adam
from jaxgen.training.validation import validator
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
    like = (jnp.float32(2), ())
    found = validator(shifted_entry(), Batch(jnp.asarray(x, jnp.float32), jnp.asarray(cond, jnp.float32)), 10, like)
    np.testing.assert_allclose(found.loss(*like), np.mean((x - cond)[:counted] ** 2) + 4 + 1, rtol=1e-5)
    # Nothing is drawn, so nothing is averaged over draws.
    assert found.num_events == counted


def test_a_random_loss_is_averaged_over_a_thousand_draws_that_are_always_the_same():
    """The loss is the mean of `(x - u)^2` over uniform draws u, one for each event: 3 events have to be drawn for 334 times."""
    entry = shifted_entry()

    def loss(params, aux, key, batch, clock):
        return jnp.mean((params * batch.x - jax.random.uniform(key, batch.x.shape)) ** 2), {}

    entry, x, like = entry._replace(objective=entry.objective._replace(loss=loss)), jnp.asarray([[0.0], [1.0], [3.0]]), (jnp.float32(1), ())
    found = validator(entry, Batch(x), 10, like)
    assert found.num_events == 1_002 and found.loss(*like) == validator(entry, Batch(x), 10, like).loss(*like)
    # E (x - u)^2 = x^2 - x + 1/3, whose mean over the three events is 2 + 1/3; the standard deviation of a draw is below 1.8.
    np.testing.assert_allclose(found.loss(*like), 2 + 1 / 3, atol=4 * 1.8 / 1_002**0.5)


def test_validation_pairs_its_noise_as_training_does():
    """The loss reads the noise that `prepare` has paired, unless the objective no longer prepares when training ends."""
    entry = shifted_entry()

    def loss(params, aux, key, batch, clock):
        return params * jnp.mean(batch.x if batch.z is None else batch.z), {}

    def value(schedule):
        objective = entry.objective._replace(loss=loss, prepare=lambda key, batch: batch._replace(z=batch.x + 5), schedule=schedule)
        return float(
            validator(entry._replace(objective=objective), Batch(jnp.ones((4, 1))), 10, (jnp.float32(1), ())).loss(jnp.float32(1), ())
        )

    assert value(Schedule()) == 6 and value(Schedule(prepare_until=0.5)) == 1


def test_what_judges_an_objective_takes_the_place_of_its_loss():
    entry = shifted_entry()
    judge = lambda params, aux, key, batch, clock: (10 * params, {})
    entry = entry._replace(objective=entry.objective._replace(judge=judge))
    batch = Batch(jnp.ones((4, 1)), jnp.ones((4, 1)))
    assert float(validator(entry, batch, 10, (jnp.float32(1), ())).loss(jnp.float32(3), ())) == 30


def test_fit_validates_with_the_conditions_of_the_held_out_events(key):
    x, cond = np.random.default_rng(0).standard_normal((2, 30, 1)).astype(np.float32)
    valid, valid_cond = 3 * x[:20] + 1, 2 - cond[:20]
    fitted = fit(key, shifted_entry(), x, 4, cond=cond, valid=valid, valid_cond=valid_cond, batch_size=8, eval_every=4, progress=False)
    truth = np.mean((valid - valid_cond) ** 2) + float(fitted.params) ** 2 + 1
    np.testing.assert_allclose(fitted.history["valid_loss"], [truth], rtol=1e-5)
