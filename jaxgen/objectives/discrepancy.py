"""Distances between the model's and the data's samples, minimised directly: no density, no critic."""

import jax
import jax.numpy as jnp

from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.numerics import distances
from jaxgen.objective import Batch, Clock, Objective, no_aux, require
from jaxgen.objectives.joint import joint
from jaxgen.types import Aux, Key, Params


def energy(model: Model) -> Objective:
    """Minimise the energy distance `2 E|X - Y| - E|X - X'| - E|Y - Y'|` between samples X of the model and data Y.

    The distance is zero only if both have one law. A batch gives the unbiased estimate, which may be negative. With conditions the points
    are pairs of event and condition, so that the conditional laws have to agree.

    Args:
        model: Any model that samples arrays of the shape of an event.

    Returns:
        An objective whose metric is `energy_distance`, the loss.

    Source: Szekely and Rizzo 2013, equation 5.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> loss, _ = energy(model).loss((), (), jax.random.key(0), Batch(jax.numpy.full((8, 1), 100.0)), Clock(0, 1, ()))
    >>> bool(190 < loss < 210)  # Data far away: twice the distance, less that of the samples from each other.
    True
    """
    require("energy", model, frozenset())

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        z = model.base.sample(seed=key, sample_shape=(batch.x.shape[0],))
        x = joint(over_batch(model.transform).forward(params, z, batch.cond), batch.cond)
        y = joint(batch.x, batch.cond)
        distance = 2 * jnp.mean(distances(x, y)) - _within(x) - _within(y)
        return distance, {"energy_distance": distance}

    return Objective(no_aux, loss)


def _within(x: jax.Array) -> jax.Array:
    """Return the mean distance between two different rows of `(n, d)`."""
    n = x.shape[0]
    return jnp.sum(jnp.where(jnp.eye(n, dtype=bool), 0, distances(x, x))) / (n * (n - 1))
