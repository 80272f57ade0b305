"""A chunk of K training steps as one compiled program over a mesh of devices."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen.compiled import training_options
from jaxgen.objective import Batch
from jaxgen.training.entry import Entry
from jaxgen.training.prepared import PreparedBatches
from jaxgen.training.step import State, Step, make_step, rows_at
from jaxgen.types import Key

AXIS = "batch"
Metrics = dict[str, np.ndarray]


class Plan(NamedTuple):
    """Say how long training is and how its batches are averaged and grouped.

    Attributes:
        num_steps: The number of steps of the whole training.
        batch_size: The number of events of a batch.
        ema: The decay of the moving average of the params.
        steps_per_chunk: The most steps that run as one program before the host sees their metrics.
    """

    num_steps: int
    batch_size: int
    ema: float
    steps_per_chunk: int

    def chunk_length(self) -> int:
        """Return the number of steps of a chunk: all chunks have the same, so that one compiled program serves the whole training.

        The last chunk overshoots by a few steps at most, which do nothing.
        """
        return math.ceil(self.num_steps / math.ceil(self.num_steps / self.steps_per_chunk))


class Chunk(NamedTuple):
    """Hold the compiled program of a chunk.

    Attributes:
        run: `(state, done) -> (state, metrics)`: the state after the chunk that begins at step `done`, and its metrics `(K,)` on the host.
            The state passed in is donated.
        state: The initial state, placed on the devices.
        compile_seconds: The seconds that tracing and compiling took.
    """

    run: Callable[[State, int], tuple[State, Metrics]]
    state: State
    compile_seconds: float


def make_chunk(entry: Entry, state: State, data: Batch, key: Key, plan: Plan, devices: Sequence[Any] | None) -> Chunk:
    """Compile a chunk of training and place state and data on the devices.

    Args:
        entry: The entry to train.
        state: The state to begin from.
        data: All the events and conditions.
        key: The key that batches are drawn from.
        plan: The length of training and its batches.
        devices: The devices over which each batch is split, as many of them as divide the batch; None takes all that are present. An
            objective that is not additive trains on the first one.

    Returns:
        The compiled chunk with the state on the devices.
    """
    mesh = _mesh(devices, plan.batch_size if entry.objective.additive else 1)
    everywhere, share = NamedSharding(mesh, P()), NamedSharding(mesh, P(None, AXIS))
    state, data, key = jax.device_put((state, data, key), everywhere)
    options = training_options() if mesh.devices.flat[0].platform == "cpu" else None
    start, first, prepare = time.perf_counter(), int(state.step), entry.objective.prepare
    if prepare is None:
        program = jax.jit(_drawing(entry, mesh, plan), donate_argnums=0)
        run = program.lower(state, data, key).compile(compiler_options=options)
        return Chunk(lambda state, done: _on_host(run(state, data, key)), state, time.perf_counter() - start)
    length = plan.chunk_length()
    source = PreparedBatches(entry.objective, prepare, data, key, plan.num_steps, plan.batch_size, length, first)

    def placed(done: int) -> tuple[Batch, Key]:
        batches, keys = source.take(done)
        return jax.device_put(batches, share), jax.device_put(keys, everywhere)

    program = jax.jit(_reading(entry, mesh, plan), donate_argnums=0)
    run = program.lower(state, *placed(first)).compile(compiler_options=options)
    return Chunk(lambda state, done: _on_host(run(state, *placed(done))), state, time.perf_counter() - start)


def _drawing(entry: Entry, mesh: Mesh, plan: Plan) -> Callable[[State, Batch, Key], tuple[State, dict[str, jax.Array]]]:
    """Return the program that draws its batches from the data on the devices."""
    share, length, step = plan.batch_size // mesh.size, plan.chunk_length(), _step(entry, mesh, plan)

    def run(state: State, data: Batch, key: Key) -> tuple[State, dict[str, jax.Array]]:
        first = state.step
        # Drawn for all steps at once: each by itself, they would take a tenth of a small flow's training.
        rows, keys = jax.vmap(lambda i: rows_at(key, i, data.x.shape[0], plan.batch_size))(first + jnp.arange(length))
        if mesh.size > 1:
            rows = jax.lax.dynamic_slice_in_dim(rows, jax.lax.axis_index(AXIS) * share, share, 1)

        def body(state: State, _: None) -> tuple[State, dict[str, jax.Array]]:
            here, key_step = jax.tree.map(lambda a: a[state.step - first], (rows, keys))
            return step(state, jax.tree.map(lambda a: a[here], data), key_step)

        return jax.lax.scan(body, state, None, length)

    return jax.shard_map(run, mesh=mesh, in_specs=(P(), P(), P()), out_specs=P(), check_vma=False)


def _reading(entry: Entry, mesh: Mesh, plan: Plan) -> Callable[[State, Batch, Key], tuple[State, dict[str, jax.Array]]]:
    """Return the program that is given its batches `(K, batch_size, ...)` and keys `(K,)`."""
    step = _step(entry, mesh, plan)

    def run(state: State, batches: Batch, keys: Key) -> tuple[State, dict[str, jax.Array]]:
        return jax.lax.scan(lambda state, given: step(state, given[0], given[1]), state, (batches, keys))

    return jax.shard_map(run, mesh=mesh, in_specs=(P(), P(None, AXIS), P()), out_specs=P(), check_vma=False)


def _step(entry: Entry, mesh: Mesh, plan: Plan) -> Step:
    return make_step(entry, plan.num_steps, ema=plan.ema, axis_name=AXIS if mesh.size > 1 else None, limit=plan.num_steps)


def _mesh(devices: Sequence[Any] | None, num_pieces: int) -> Mesh:
    """Return a mesh of as many devices as divide a batch of so many pieces."""
    devices = list(jax.devices() if devices is None else devices)
    if not devices:
        raise ValueError("fit: devices=[]; accepted: at least one of jax.devices().")
    count = max(n for n in range(1, len(devices) + 1) if num_pieces % n == 0)
    return Mesh(np.array(devices[:count]), (AXIS,))


def _on_host(result: tuple[State, dict[str, jax.Array]]) -> tuple[State, Metrics]:
    state, metrics = result
    return state, jax.device_get(metrics)
