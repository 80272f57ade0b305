"""Batches whose noise an objective's `prepare` pairs with the data on the host, made one chunk ahead of the device."""

import math
from concurrent.futures import Future, ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.objective import Batch, Objective, Prepare
from jaxgen.training.step import batch_at
from jaxgen.types import Key, Noise


class PreparedBatches:
    """Draw the batches of each chunk and prepare them on two threads, whose solver releases the interpreter's lock.

    Args:
        objective: The objective, whose schedule says until when batches are prepared.
        prepare: The objective's `prepare`.
        data: All the events and conditions.
        key: The key that the batches are drawn from.
        num_steps: The number of steps of the whole training.
        batch_size: The number of events of a batch.
        length: The number of steps of a chunk.
        first: The step of the first chunk.
    """

    def __init__(
        self, objective: Objective, prepare: Prepare, data: Batch, key: Key, num_steps: int, batch_size: int, length: int, first: int
    ) -> None:
        self.prepare, self.length, self.num_steps, self.first = prepare, length, num_steps, first
        self.prepare_until = math.ceil(objective.schedule.prepare_until * num_steps)
        # The `z` of a batch that the loss no longer reads; it only has to have the right shape.
        self.placeholder: list[Noise] = []
        device = jax.devices()[0]
        data, key = jax.device_put((data, key), device)
        draw = jax.jit(jax.vmap(lambda i: batch_at(key, i, data, batch_size)))
        self.draw = lambda start: draw(start + jnp.arange(length))
        self.pool = ThreadPoolExecutor(2)
        self.ahead: dict[int, list[Future[Batch]]] = {}
        self.keys: dict[int, Key] = {}

    def take(self, start: int) -> tuple[Batch, Key]:
        """Return the batches `(length, batch_size, ...)` and keys `(length,)` of the chunk that begins at step `start`, and begin the next."""
        if start not in self.ahead:
            self._submit(start)
        batches = [future.result() for future in self.ahead[start]]
        keys = self.keys[start]
        # The first chunk is taken twice: once as an example to compile for.
        if start > self.first or start + self.length >= self.num_steps:
            del self.ahead[start], self.keys[start]
        if start + self.length < self.num_steps and start + self.length not in self.ahead:
            self._submit(start + self.length)
        return jax.tree.map(lambda *a: np.stack(a), *batches), keys

    def _submit(self, start: int) -> None:
        batches, keys = self.draw(start)
        host = jax.tree.map(np.asarray, batches)
        split = [jax.tree.map(lambda a, i=i: a[i], host) for i in range(self.length)]
        self.ahead[start] = [self.pool.submit(self._at, start + i, k, b) for i, (k, b) in enumerate(zip(keys, split, strict=True))]
        self.keys[start] = keys

    def _at(self, step: int, key: Key, batch: Batch) -> Batch:
        if step >= self.prepare_until and self.placeholder:
            return batch._replace(z=self.placeholder[0])
        # Not 0 or 1: those are the keys into which the loss splits its own, and the plan would share its draws.
        prepared = self.prepare(jax.random.fold_in(key, 2), batch)
        if step >= self.prepare_until:
            self.placeholder.append(prepared.z)
        return prepared
