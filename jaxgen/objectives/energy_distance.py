"""The energy distance of samples to events, by which validation judges objectives whose loss does not."""

import jax
import jax.numpy as jnp

from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.numerics import distances
from jaxgen.objective import Batch, Clock, Loss
from jaxgen.objectives.joint import joint
from jaxgen.types import Aux, Key, Params


def energy_distance(model: Model) -> Loss:
    """Build the judge that draws one sample for each event and returns their energy distance, `2 E|x - y| - E|x - x'| - E|y - y'|`.

    It is zero only if samples and events have one law. Conditions are compared together with what they condition.

    Args:
        model: The model that samples.

    Returns:
        A function with the arguments of a loss. Its value estimates the distance without bias, so it may be a little below zero.

    Source: Szekely and Rizzo 2013, Journal of Statistical Planning and Inference 143(8), equation 2.1.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(0.0, 1e-6))
    >>> value, _ = energy_distance(model)((), (), jax.random.key(0), Batch(jax.numpy.full((8, 1), 3.0)), Clock(0, 1, ()))
    >>> round(float(value), 3)
    6.0
    """

    def judge(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        num = batch.x.shape[0]
        z = model.base.sample(seed=key, sample_shape=(num,))
        x, y = joint(over_batch(model.transform).forward(params, z, batch.cond), batch.cond), joint(batch.x, batch.cond)
        pairs = max(1, num * (num - 1))
        value = 2 * jnp.mean(distances(x, y)) - jnp.sum(distances(x, x)) / pairs - jnp.sum(distances(y, y)) / pairs
        return value, {"energy_distance": value}

    return judge
