"""The objective of a quantised autoencoder is its bound plus both distances to the book, each with its weight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, objectives
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock
from jaxgen.transform import Part

CLOCK = Clock(jnp.asarray(0), jnp.asarray(10), None)


def quantised():
    """A flow that says its events are squared away from the book, and the condition from the encoder."""
    flow = T.actnorm()
    return Model(
        bases.normal((1,)),
        flow._replace(parts={**flow.parts, "quantisation_error": Part(lambda params, x, cond: (jnp.sum(x**2), jnp.sum(cond)))}),
    )


@pytest.mark.parametrize("commitment", [0.0, 0.25, 3.0])
def test_the_distances_are_added_to_the_bound(commitment):
    model, x, cond = quantised(), np.array([[1.0], [3.0]], np.float32), np.array([[7.0], [9.0]], np.float32)
    batch = Batch(jnp.asarray(x), jnp.asarray(cond))
    params = jax.tree.map(jnp.zeros_like, model.transform.init(jax.random.key(0), jnp.zeros(1)))
    loss, metrics = jax.jit(objectives.quantisation(model, commitment).loss)(params, (), jax.random.key(0), batch, CLOCK)
    nll = 0.5 * np.log(2 * np.pi) + 0.5 * np.mean(x**2)
    np.testing.assert_allclose([loss, metrics["nll"], metrics["quantisation_error"]], [nll + 5 + 8 * commitment, nll, 5], rtol=1e-6)


def test_the_first_batch_sets_what_the_transform_takes_from_data():
    model, batch = quantised(), Batch(jnp.asarray([[1.0], [5.0]]), jnp.zeros((2, 1)))
    params, aux = objectives.quantisation(model).init(jax.random.key(0), model.transform.init(jax.random.key(0), jnp.zeros(1)), batch)
    np.testing.assert_allclose(model.transform.inverse(params, jnp.asarray([5.0])).z, 1, rtol=1e-3)
    assert aux == ()


def test_a_negative_commitment_is_named():
    with pytest.raises(ValueError, match=r"quantisation: commitment=-1\.0"):
        objectives.quantisation(quantised(), -1.0)
