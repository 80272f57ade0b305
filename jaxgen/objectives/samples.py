"""What objectives that compare samples share: draws of the model whose gradient reaches the params."""

from collections.abc import Callable
from typing import TypeAlias

import jax

from jaxgen.bases import stratified as stratify
from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.objective import Batch, Init, PairingError, drawn, require
from jaxgen.pruning import moves_with_params
from jaxgen.types import Aux, Cond, Event, Key, Params

Draw: TypeAlias = Callable[[Params, Key, Batch], Event]
"""`(params, key, batch) -> (n, *event)`: one sample of the model for each event of the batch, under the same condition."""


def drawing(objective: str, model: Model, stratified: bool) -> Draw:
    """Return the function that draws one sample of the model for each event of a batch.

    Args:
        objective: The name of the objective's factory, for messages.
        model: The model.
        stratified: Draw the noise of a batch by `bases.stratified`.

    Returns:
        The function of params, a random key and a batch.

    Raises:
        PairingError: `model` is no model, or the noise is to be stratified and its base has no quantile function.
    """
    require(objective, model, frozenset())
    if stratified and not hasattr(model.base, "quantile"):
        raise PairingError(
            f"{objective}: stratified=True with the base <{type(model.base).__name__}>; accepted: a base that bases.stratified takes, one "
            "with a quantile function, because the strata are intervals of uniform numbers."
        )
    base = stratify(model.base) if stratified else model.base
    forward = over_batch(model.transform).forward

    def draw(params: Params, key: Key, batch: Batch) -> Event:
        z = drawn(batch, lambda num: base.sample(seed=key, sample_shape=(num,)))
        return forward(params, z, batch.cond)

    return draw


def moved_by_params(objective: str, model: Model) -> Init:
    """Return the `init` of an objective without auxiliaries that refuses a model whose samples do not move with its params.

    Whether they do is read off the program: if the derivative of `forward` in the params is zero whatever the params, as it is for a
    category, then no gradient of a distance between samples can reach the params.

    Args:
        objective: The name of the objective's factory, for the message.
        model: The model.

    Returns:
        `(key, params, batch) -> (params, ())`, which raises a PairingError for such a model.
    """

    def init(key: Key, params: Params, batch: Batch) -> tuple[Params, Aux]:
        require_pathwise(objective, model, params, None if batch.cond is None else batch.cond[0])
        return params, ()

    return init


def require_pathwise(objective: str, model: Model, params: Params, cond: Cond) -> None:
    """Refuse a model whose samples do not move with its params.

    Args:
        objective: The name of the objective's factory, for the message.
        model: The model.
        params: Its params; shapes suffice.
        cond: One condition or its shape, or None.

    Raises:
        PairingError: The derivative of a sample in the params is zero whatever the params. A model without params passes.
    """
    if jax.tree.leaves(params) and not moves_with_params(model, params, cond):
        raise PairingError(
            f"{objective}: model=one whose samples are piecewise constant in its params; accepted: a model whose samples move with its "
            "params, because the gradient of this loss is taken along the samples and a category has none. maximum_likelihood trains it."
        )
