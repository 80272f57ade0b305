"""Data-dependent initialisation: an objective whose first batch sets what the transform can set from data (arXiv 1602.07868, sec. 3)."""

from typing import Any

import jax

from jaxgen.model import Model
from jaxgen.objective import Batch, Objective, require
from jaxgen.transform import Density, data_init


def data_initialised(objective: Objective, model: Model) -> Objective:
    """`objective` with the part `data_init` of `model.transform` run on the first batch, before the objective's own `init`.

    From data back to noise each `actnorm` takes the mean and the standard deviation of what reaches it, in chains and repeated layers too.
    Raises PairingError where the transform has no such part.
    """
    require("data_initialised", model, frozenset({"data_init"}))
    from_data, exact = data_init(model.transform), model.transform.density is Density.EXACT

    def init(key: jax.Array, params: Any, batch: Batch) -> tuple[Any, Any]:
        key_data, key_aux = jax.random.split(key)
        keys = None if exact else jax.random.split(key_data, jax.tree.leaves(batch.x)[0].shape[0])
        params, _ = from_data(params, batch.x, batch.cond, keys)
        return objective.init(key_aux, params, batch)

    return objective._replace(init=init)
