"""How an objective gets the noise of each event: drawn from the model's base and paired by a coupling, on the device or on the host."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen.model import Model
from jaxgen.objective import Batch
from jaxgen.objectives.couplings import Coupling


class Pairing(NamedTuple):
    """`source (key_z, key_pair, batch) -> z (n, *event)` for a loss; `prepare`, for `Objective.prepare`, where the coupling is the host's."""

    source: Callable[[jax.Array, jax.Array, Batch], Any]
    prepare: Callable[[jax.Array, Batch], Batch] | None


def pairing(model: Model, coupling: Coupling) -> Pairing:
    """The pairing of the model's base with a batch's events; a batch that already has its `z` keeps it."""
    draw = functools.partial(_draw, model)
    on_host = jax.jit(draw, static_argnums=1)

    def prepare(key: jax.Array, batch: Batch) -> Batch:
        x = np.asarray(batch.x)
        # A number that no split inside the base's draw comes to: fold_in and split give the same keys.
        key_pair = jax.random.fold_in(key, 2**20)
        return batch._replace(z=coupling.pair(key_pair, x, np.asarray(on_host(key, x.shape[0]), x.dtype), batch.cond))

    def source(key_z: jax.Array, key_pair: jax.Array, batch: Batch) -> Any:
        if batch.z is not None:
            return batch.z
        z = draw(key_z, batch.x.shape[0]).astype(batch.x.dtype)
        return z if coupling.on_host else coupling.pair(key_pair, batch.x, z, batch.cond)

    return Pairing(source, prepare if coupling.on_host else None)


def _draw(model: Model, key: jax.Array, num: int) -> Any:
    return model.base.sample(seed=key, sample_shape=(num,))
