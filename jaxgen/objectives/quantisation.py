"""The objective of a vector-quantised autoencoder, whose prior over codes is trained beside it."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, require
from jaxgen.objectives.data_initialised import data_initialised
from jaxgen.objectives.maximum_likelihood import maximum_likelihood
from jaxgen.types import Aux, Key, Params


def quantisation(model: Model, commitment: float = 0.25) -> Objective:
    """Minimise the bound `-log p(x | codes) - log p(codes)` in nats, plus `|stop(e) - book|^2 + commitment |e - stop(book)|^2`.

    e is the encoder's output and `book` the nearest entry of the codebook. The codes are whole numbers, through which no gradient passes:
    the prior learns to predict them, and neither encoder nor book learns to be predicted. The book starts from the first batch.

    Args:
        model: A model whose transform has the parts `quantisation_error (params, x, cond) -> (book, encoder)`, the two squared distances,
            and the hook `data_init`.
        commitment: The weight of the encoder's distance to the book.

    Returns:
        An objective whose metrics are `nll` and `quantisation_error`, the book's squared distance.

    Raises:
        ValueError: `commitment` is negative.
        PairingError: The transform lacks a part.

    Source: arXiv 1711.00937, equation 3.

    >>> import jaxgen
    >>> quantisation(jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 1.0)))
    Traceback (most recent call last):
    jaxgen.objective.PairingError: quantisation: model=one without the parts quantisation_error; accepted: a transform with them. This one has: none.
    """
    require("quantisation", model, frozenset({"quantisation_error"}))
    checks.number("quantisation: commitment", commitment, least=0)
    likelihood, error = maximum_likelihood(model), model.transform.parts["quantisation_error"]

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        nll, metrics = likelihood.loss(params, aux, key, batch, clock)
        book, encoder = jax.tree.map(jnp.mean, jax.vmap(lambda x, c: error(params, x, cond=c))(batch.x, batch.cond))
        return nll + book + commitment * encoder, {**metrics, "quantisation_error": book}

    return data_initialised(Objective(likelihood.init, loss), model)
