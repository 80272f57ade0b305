"""The objective of a vector-quantised autoencoder (arXiv 1711.00937), its prior over codes trained along."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, require
from jaxgen.objectives.data_initialised import data_initialised
from jaxgen.objectives.maximum_likelihood import maximum_likelihood

NEEDS = frozenset({"quantisation_error"})


def quantisation(model: Model, commitment: float = 0.25) -> Objective:
    """Minimise the bound `-log p(x | codes) - log p(codes)` in nats, plus `|sg(e) - book|^2 + commitment |e - sg(book)|^2` (eq. 3).

    The codes are whole numbers, through which no gradient passes: the prior learns to predict them, and neither encoder nor book learns to
    be predicted. Needs the part `quantisation_error`; the book starts from the first batch.
    Raises ValueError for a negative `commitment`, PairingError without the part.
    """
    require("quantisation", model, NEEDS)
    checks.number("quantisation: commitment", commitment, least=0)
    likelihood, error = maximum_likelihood(model), model.transform.parts["quantisation_error"]

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        nll, metrics = likelihood.loss(params, aux, key, batch, clock)
        book, held = jax.tree.map(jnp.mean, jax.vmap(lambda x, c: error(params, x, c))(batch.x, batch.cond))
        return nll + book + commitment * held, {**metrics, "quantisation_error": book}

    return data_initialised(Objective(likelihood.init, loss, NEEDS), model)
