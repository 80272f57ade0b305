"""A trainable entry that compiles in no time: a full Gaussian by maximum likelihood."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, objectives, training
from jaxgen import transforms as T
from jaxgen.model import Model

NUM = 60


@pytest.fixture
def gaussian_entry():
    """`gaussian_entry(wrap=None, learning_rate=0.05)`; `wrap(loss)` may replace the objective's loss."""

    def make(wrap=None, learning_rate=0.05, **fields):
        model = Model(bases.normal((2,)), T.triangular_affine())
        objective = objectives.maximum_likelihood(model)
        if wrap is not None:
            objective = objective._replace(loss=wrap(objective.loss))
        objective = objective._replace(**fields)
        return training.Entry(model, objective, training.adam(learning_rate), card=training.Card("gaussian"))

    return make


@pytest.fixture
def data():
    return jnp.asarray(np.random.default_rng(0).standard_normal((NUM, 2)) * [1.0, 2.0] + [3.0, -1.0], jnp.float32)
