"""Data-dependent initialisation: an objective whose first batch sets what the transform can set from data."""

import jax

from jaxgen.lifting import data_init
from jaxgen.model import Model
from jaxgen.objective import Batch, Objective, PairingError
from jaxgen.transform import Density
from jaxgen.types import Aux, Key, Params


def data_initialised(objective: Objective, model: Model) -> Objective:
    """Set the params that `model.transform` can set from data on the first batch, before the `init` of `objective`.

    It runs the hook `data_init`. Each `actnorm` takes the mean and the standard deviation of the batch that reaches it on the way from data
    to noise, also in chains and repeated layers.

    Args:
        objective: The objective whose `init` follows.
        model: The model of `objective`.

    Returns:
        `objective` with another `init`.

    Raises:
        PairingError: The transform has no hook `data_init`.

    Source: arXiv 1602.07868, section 3.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.actnorm())
    >>> objective = data_initialised(jaxgen.objectives.maximum_likelihood(model), model)
    >>> params = jaxgen.model.init(jax.random.key(0), model)
    >>> params, _ = objective.init(jax.random.key(0), params, Batch(jax.numpy.asarray([[1.0], [5.0]])))
    >>> round(float(model.transform.inverse(params, jax.numpy.asarray([5.0])).z[0]), 3)
    1.0
    """
    if model.transform.hooks.data_init is None:
        raise PairingError(
            f"data_initialised: model.transform={model.transform!r}; accepted: a transform that sets params from data, as actnorm does."
        )
    from_data, exact = data_init(model.transform), model.transform.kind is Density.EXACT

    def init(key: Key, params: Params, batch: Batch) -> tuple[Params, Aux]:
        key_data, key_aux = jax.random.split(key)
        keys = None if exact else jax.random.split(key_data, batch.x.shape[0])
        params, _ = from_data(params, batch.x, batch.cond, keys)
        return objective.init(key_aux, params, batch)

    return objective._replace(init=init)
