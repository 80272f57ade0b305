"""Distances between the model's and the data's samples, minimised directly: no density, no critic."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.numerics import distances
from jaxgen.objective import Batch, Clock, Objective, no_aux
from jaxgen.transform import over_batch


def energy(model: Model) -> Objective:
    """Minimise the energy distance `2 E|X - Y| - E|X - X'| - E|Y - Y'|` between model X and data Y (Szekely and Rizzo 2013, eq. 5).

    The unbiased estimate within the batch; it is zero only where the distributions agree. With a condition c the points are (x, c), so
    that the conditional distributions have to agree. Any transform that samples will do.
    """

    def joint(x: jax.Array, cond: Any) -> jax.Array:
        x = x.reshape(x.shape[0], -1)
        return x if cond is None else jnp.concatenate([x, cond.reshape(x.shape[0], -1).astype(x.dtype)], 1)

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        z = model.base.sample(seed=key, sample_shape=(batch.x.shape[0],))
        x = joint(over_batch(model.transform).forward(params, z, batch.cond), batch.cond)
        y = joint(batch.x, batch.cond)
        between = jnp.mean(distances(x, y))
        distance = 2 * between - _within(x) - _within(y)
        return distance, {"energy_distance": distance}

    return Objective(no_aux, loss)


def _within(x: jax.Array) -> jax.Array:
    """The mean distance of two different rows of `(n, d)`."""
    n = x.shape[0]
    return jnp.sum(jnp.where(jnp.eye(n, dtype=bool), 0, distances(x, x))) / (n * (n - 1))
