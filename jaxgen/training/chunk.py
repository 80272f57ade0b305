"""A chunk of K training steps as one compiled program over a mesh of devices."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen.compiled import training_options
from jaxgen.objective import Batch
from jaxgen.training.entry import Entry
from jaxgen.training.step import State, batch_at, make_step, rows_at

AXIS = "batch"


class Chunk(NamedTuple):
    """`run(state, done) -> (state, metrics (K,) each, on the host)`; the state passed in is donated."""

    run: Callable[[State, int], tuple[State, dict[str, np.ndarray]]]
    state: State
    compile_seconds: float


def make_chunk(
    entry: Entry,
    state: State,
    data: Batch,
    key: jax.Array,
    num_steps: int,
    batch_size: int,
    ema: float,
    steps_per_chunk: int,
    devices: Sequence[Any] | None,
) -> Chunk:
    """Compile the chunk and place state and data on the mesh: as many of `devices` as divide `batch_size`."""
    mesh = _mesh(devices, batch_size)
    # Chunks of equal length: one compile serves the run, and the last one overshoots by a few skipped steps at most.
    num_chunks = math.ceil(num_steps / steps_per_chunk)
    length = math.ceil(num_steps / num_chunks)
    everywhere = NamedSharding(mesh, P())
    state, data, key = jax.device_put((state, data, key), everywhere)
    options = training_options() if mesh.devices.flat[0].platform == "cpu" else None
    start, first = time.perf_counter(), int(state.step)
    if entry.objective.prepare is None:
        program = _program(entry, mesh, num_steps, batch_size, ema, length)
        run = jax.jit(program, donate_argnums=0).lower(state, data, key).compile(compiler_options=options)
        return Chunk(lambda state, done: _on_host(run(state, data, key)), state, time.perf_counter() - start)
    source = _Prepared(entry, data, key, num_steps, batch_size, length, first)
    program = _prepared_program(entry, mesh, num_steps, ema)
    share = NamedSharding(mesh, P(None, AXIS))

    def place(done: int) -> Any:
        batches, keys = source.take(done)
        return jax.device_put(batches, share), jax.device_put(keys, everywhere)

    run = jax.jit(program, donate_argnums=0).lower(state, *place(first)).compile(compiler_options=options)
    return Chunk(lambda state, done: _on_host(run(state, *place(done))), state, time.perf_counter() - start)


def _program(entry: Entry, mesh: Mesh, num_steps: int, batch_size: int, ema: float, length: int) -> Callable[..., Any]:
    share = batch_size // mesh.size
    step = make_step(entry, num_steps, ema=ema, axis_name=AXIS if mesh.size > 1 else None, limit=num_steps)

    def run(state: State, data: Batch, key: jax.Array) -> Any:
        first = state.step
        # Drawn for all steps at once: one by one they would take a tenth of a small flow's training.
        rows, keys = jax.vmap(lambda i: rows_at(key, i, data.x.shape[0], batch_size))(first + jnp.arange(length))
        if mesh.size > 1:
            rows = jax.lax.dynamic_slice_in_dim(rows, jax.lax.axis_index(AXIS) * share, share, 1)

        def body(state: State, _: None) -> Any:
            here, key_step = jax.tree.map(lambda a: a[state.step - first], (rows, keys))
            return step(state, jax.tree.map(lambda a: a[here], data), key_step)

        return jax.lax.scan(body, state, None, length)

    return jax.shard_map(run, mesh=mesh, in_specs=(P(), P(), P()), out_specs=P(), check_vma=False)


def _prepared_program(entry: Entry, mesh: Mesh, num_steps: int, ema: float) -> Callable[..., Any]:
    step = make_step(entry, num_steps, ema=ema, axis_name=AXIS if mesh.size > 1 else None, limit=num_steps)

    def run(state: State, batches: Batch, keys: jax.Array) -> Any:
        return jax.lax.scan(lambda s, xs: step(s, xs[0], xs[1]), state, (batches, keys))

    return jax.shard_map(run, mesh=mesh, in_specs=(P(), P(None, AXIS), P()), out_specs=P(), check_vma=False)


class _Prepared:
    """Batches made by the objective's host work, one chunk ahead of the device on two threads (its solver releases the GIL)."""

    def __init__(self, entry: Entry, data: Batch, key: jax.Array, num_steps: int, batch_size: int, length: int, first: int):
        assert entry.objective.prepare is not None
        self.prepare, self.length, self.num_steps, self.first = entry.objective.prepare, length, num_steps, first
        self.until = math.ceil(entry.objective.prepared * num_steps)
        self.unread: list[Any] = []
        one = jax.devices()[0]
        data, key = jax.device_put((data, key), one)
        steps = jax.jit(jax.vmap(lambda i: batch_at(key, i, data, batch_size)))
        self.draw = lambda start: steps(start + jnp.arange(length))
        self.pool = ThreadPoolExecutor(2)
        self.ahead: dict[int, list[Future[Batch]]] = {}
        self.keys: dict[int, Any] = {}

    def submit(self, start: int) -> None:
        batches, keys = self.draw(start)
        host = jax.tree.map(np.asarray, batches)
        split = [jax.tree.map(lambda a, i=i: a[i], host) for i in range(self.length)]
        self.ahead[start] = [self.pool.submit(self.one, start + i, k, b) for i, (k, b) in enumerate(zip(keys, split, strict=True))]
        self.keys[start] = keys

    def one(self, step: int, key: jax.Array, batch: Batch) -> Batch:
        """The batch of a step, prepared; with any `z` of the right shape where the objective no longer reads it."""
        if step >= self.until and self.unread:
            return batch._replace(z=self.unread[0])
        # Not 0 or 1: those are the keys into which the loss splits its own, and the plan would share its draws.
        made = self.prepare(jax.random.fold_in(key, 2), batch)
        if step >= self.until:
            self.unread.append(made.z)
        return made

    def take(self, start: int) -> tuple[Batch, Any]:
        if start not in self.ahead:
            self.submit(start)
        batches = [f.result() for f in self.ahead[start]]
        keys = self.keys[start]
        if start > self.first or start + self.length >= self.num_steps:
            del self.ahead[start], self.keys[start]
        if start + self.length < self.num_steps and start + self.length not in self.ahead:
            self.submit(start + self.length)
        return jax.tree.map(lambda *a: np.stack(a), *batches), keys


def _mesh(devices: Sequence[Any] | None, batch_size: int) -> Mesh:
    devices = list(jax.devices() if devices is None else devices)
    count = max(n for n in range(1, len(devices) + 1) if batch_size % n == 0)
    return Mesh(np.array(devices[:count]), (AXIS,))


def _on_host(result: Any) -> Any:
    state, metrics = result
    return state, jax.device_get(metrics)
