"""Drifting by hand: the loss and its gradient from the field, which test_few_steps.py holds to loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, objectives
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock
from jaxgen.objectives.fields import drift

CLOCK = Clock(jnp.asarray(0), jnp.asarray(100), None)
MODEL = Model(bases.normal((2,)), T.flow_map(lambda *a: (), lambda params, x, t, s, cond=None: params * jnp.ones_like(x)))


@pytest.mark.parametrize("cond", [False, True], ids=["plain", "conditional"])
@pytest.mark.parametrize("normalise", [True, False])
def test_the_loss_is_the_squared_field_and_its_gradient_pulls_along_it(normalise, cond, x64):
    """The generator moves its noise by `params`, so the gradient is minus twice the mean of the field over the unit of length."""
    rng, temperatures = np.random.default_rng(0), (0.1, 0.4)
    y, c = rng.standard_normal((8, 2)) + 1, rng.standard_normal((8, 1))
    with x64():
        batch = Batch(jnp.asarray(y), jnp.asarray(c) if cond else None)
        x = np.asarray(MODEL.base.sample(seed=jax.random.split(jax.random.key(0), 3)[0], sample_shape=(8,))) + 0.3
        unit = np.mean(np.linalg.norm(x[:, None] - y[None], axis=-1)) / np.sqrt(2)
        joined = jnp.asarray(c if cond else np.zeros((8, 0)))
        fields = [np.asarray(drift(jnp.asarray(x / unit), jnp.asarray(y / unit), joined, 2 * tau)) for tau in temperatures]
        sizes = [np.sqrt(np.mean(field**2)) for field in fields]
        total = sum(field / size if normalise else field for field, size in zip(fields, sizes, strict=True))
        objective = objectives.drifting(MODEL, temperatures, normalise=normalise)
        loss = jax.jit(jax.value_and_grad(lambda p: objective.loss(p, (), jax.random.key(0), batch, CLOCK), has_aux=True))
        (value, metrics), slope = loss(0.3)
    np.testing.assert_allclose([value, slope], [np.mean(total**2), -2 * np.mean(total) / unit], rtol=1e-9)
    np.testing.assert_allclose(metrics["drift"], unit * sizes[-1], rtol=1e-9)


def test_samples_and_data_at_one_point_have_a_finite_loss_of_zero():
    """There is no distance that could be the unit of length, and no field to scale."""
    # All noise is zero: of any other the sum would round.
    model = Model(bases.data_set(np.zeros((1, 2))), T.flow_map(lambda *a: (), lambda params, x, t, s, cond=None: params - x))
    loss = jax.jit(
        jax.value_and_grad(lambda p: objectives.drifting(model).loss(p, (), jax.random.key(0), Batch(jnp.ones((8, 2))), CLOCK)[0])
    )
    assert [float(a) for a in loss(1.0)] == [0, 0]
