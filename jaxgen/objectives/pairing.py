"""How an objective gets the noise of each event: drawn from the model's base and paired by a coupling, on the device or on the host."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from jaxgen.model import Model
from jaxgen.objective import Batch, Prepare, drawn
from jaxgen.objectives.couplings import CouplingLike, resolve
from jaxgen.types import Key, Noise


class Pairing(NamedTuple):
    """Hold the two functions that pair noise with events.

    Attributes:
        source: `(key_z, key_pair, batch) -> z`, noise `(n, *event)` for the loss.
        prepare: `Objective.prepare` if the coupling works on the host, None otherwise.
        additive: Whether `source` pairs each event without the others of its batch, as `Objective.additive` takes it.
    """

    source: Callable[[Key, Key, Batch], jax.Array]
    prepare: Prepare | None
    additive: bool


def pairing(function: str, model: Model, coupling: CouplingLike) -> Pairing:
    """Pair draws of the model's base with the events of a batch; a batch that has its noise `z` already keeps it.

    Args:
        function: The name of the objective's factory, for the message of an error.
        model: The model whose base draws the noise.
        coupling: Which noise meets which event: a name, a `Coupling` or a function, as `couplings.resolve` takes it.

    Raises:
        ValueError: `coupling` is an unknown name.
    """
    resolved, draw = resolve(function, coupling), functools.partial(_draw, model)
    draw_on_host = jax.jit(draw, static_argnums=1)

    def prepare(key: Key, batch: Batch) -> Batch:
        x = np.asarray(batch.x)
        # A number that no split inside the base's draw comes to: fold_in and split give the same keys.
        key_pair = jax.random.fold_in(key, 2**20)
        return batch._replace(z=resolved.pair(key_pair, x, np.asarray(draw_on_host(key, x.shape[0]), x.dtype), batch.cond))

    def source(key_z: Key, key_pair: Key, batch: Batch) -> jax.Array:
        if batch.z is not None:
            return batch.z
        z = drawn(batch, lambda num: draw(key_z, num)).astype(batch.x.dtype)
        return z if resolved.on_host else resolved.pair(key_pair, batch.x, z, batch.cond)

    # A plan on the device sees all events of a batch; one on the host has seen them before the batch is split.
    return Pairing(source, prepare if resolved.on_host else None, resolved.on_host or resolved.by_row)


def gaussian_noise(key: Key, batch: Batch) -> jax.Array:
    """Return the noise `z` of a batch, or standard Gaussian noise for a batch without it.

    Args:
        key: A random key.
        batch: The batch.

    Returns:
        Noise `(n, *event)`.
    """
    if batch.z is not None:
        return batch.z
    return drawn(batch, lambda num: jax.random.normal(key, (num, *batch.x.shape[1:]), batch.x.dtype))


def _draw(model: Model, key: Key, num: int) -> Noise:
    return model.base.sample(seed=key, sample_shape=(num,))
