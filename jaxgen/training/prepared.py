"""Batches whose noise an objective's `prepare` pairs with the data on the host, made one chunk ahead of the device."""

import functools
import math
from concurrent.futures import Future, ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.objective import Batch, Objective, Prepare
from jaxgen.training.step import batch_at
from jaxgen.types import Key, Noise


@functools.partial(jax.jit, static_argnames="batch_size")
def _batches_at(steps: jax.Array, key: Key, data: Batch, batch_size: int) -> tuple[Batch, Key]:
    return jax.vmap(lambda step: batch_at(key, step, data, batch_size))(steps)


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
        self.prepare, self.length, self.num_steps, self.next = prepare, length, num_steps, first
        self.prepare_until = math.ceil(objective.schedule.prepare_until * num_steps)
        # The `z` of a batch that the loss no longer reads; it only has to have the right shape.
        self.placeholder: list[Noise] = []
        device = jax.local_devices()[0]
        data, key = jax.device_put((data, key), device)
        self.draw = lambda start: _batches_at(start + jnp.arange(length), key, data, batch_size)
        self.pool = ThreadPoolExecutor(2)
        self.ahead: dict[int, tuple[Future[Batch], Key]] = {}

    def take(self, start: int, until: int) -> tuple[Batch, Key]:
        """Return batches `(length, batch_size, ...)` and keys `(length,)`, and begin to prepare what comes after them.

        Args:
            start: The step of the first batch.
            until: The step after the last batch that is read. What stands behind it has the right shape and is not read.
        """
        self._submit(max(until, start + 1))
        for step in [step for step in self.ahead if step < start]:
            del self.ahead[step]
        taken = [self.ahead[min(start + i, max(until - 1, start))] for i in range(self.length)]
        batches = jax.tree.map(lambda *a: np.stack(a), *[batch.result() for batch, _ in taken])
        keys = jnp.stack([key for _, key in taken])
        self._submit(until + self.length)
        return batches, keys

    def _submit(self, until: int) -> None:
        """Begin to prepare, block by block, the batches of all steps before `until` that are not yet begun."""
        while self.next < min(until, self.num_steps):
            batches, keys = self.draw(self.next)
            host = jax.tree.map(np.asarray, batches)
            for i in range(min(self.length, self.num_steps - self.next)):
                batch = jax.tree.map(lambda a, i=i: a[i], host)
                self.ahead[self.next + i] = (self.pool.submit(self._at, self.next + i, keys[i], batch), keys[i])
            self.next += self.length

    def _at(self, step: int, key: Key, batch: Batch) -> Batch:
        if step >= self.prepare_until and self.placeholder:
            return batch._replace(z=self.placeholder[0])
        # Not 0 or 1: those are the keys into which the loss splits its own, and the plan would share its draws.
        prepared = self.prepare(jax.random.fold_in(key, 2), batch)
        if step >= self.prepare_until:
            self.placeholder.append(prepared.z)
        return prepared
