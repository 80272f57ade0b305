"""A chunk of K training steps as one compiled program over a mesh of devices."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen.compiled import traced_for, training_options
from jaxgen.objective import Batch
from jaxgen.training.entry import Entry
from jaxgen.training.prepared import PreparedBatches
from jaxgen.training.step import State, Step, make_step, rows_at
from jaxgen.types import Key, PyTree

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
        """Return the most steps of a chunk: one compiled program serves the whole training, and its chunks may end earlier."""
        return min(self.num_steps, self.steps_per_chunk)


class Chunk(NamedTuple):
    """Hold the compiled program of a chunk.

    Attributes:
        run: `(state, done, until) -> (state, metrics)`: the state after the steps from `done` to `until`, which are at most
            `Plan.chunk_length()`, and their metrics `(until - done,)` on the host. The state passed in is donated.
        state: The initial state, placed on the devices.
        compile_seconds: The seconds that tracing and compiling took.
    """

    run: Callable[[State, int, int], tuple[State, Metrics]]
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
    start, first, prepare = time.perf_counter(), int(state.step), entry.objective.prepare
    if prepare is None:
        run = _compiled(entry, mesh, plan, state, data, key)
        chunk = lambda state, done, until: on_host(run(state, data, key, np.int32(until - done)), until - done)
        return Chunk(chunk, state, time.perf_counter() - start)
    length = plan.chunk_length()
    source = PreparedBatches(entry.objective, prepare, data, key, plan.num_steps, plan.batch_size, length, first)

    def placed(done: int, until: int) -> tuple[Batch, Key]:
        batches, keys = source.take(done, until)
        return jax.device_put(batches, share), jax.device_put(keys, everywhere)

    run = _compiled(entry, mesh, plan, state, *placed(first, first))
    chunk = lambda state, done, until: on_host(run(state, *placed(done, until), np.int32(until - done)), until - done)
    return Chunk(chunk, state, time.perf_counter() - start)


def _compiled(entry: Entry, mesh: Mesh, plan: Plan, *args: PyTree) -> Callable[..., tuple[State, dict[str, jax.Array]]]:
    """Return the compiled chunk for arguments like `args` and a number of steps."""
    leaves, treedef = jax.tree.flatten(args)
    kinds = tuple(jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding, weak_type=getattr(a, "weak_type", False)) for a in leaves)
    settings: Any = jax.config
    return _program(entry, mesh, plan, treedef, kinds, (settings.jax_enable_x64, settings.jax_default_matmul_precision))


@functools.lru_cache(maxsize=8)
def _program(
    entry: Entry, mesh: Mesh, plan: Plan, treedef: Any, kinds: tuple[jax.ShapeDtypeStruct, ...], precision: tuple[bool, Any]
) -> Any:
    # Kept, so that another fit of the entry, by another key or on other data of the same size, compiles nothing.
    function = (_drawing if entry.objective.prepare is None else _reading)(entry, mesh, plan)
    platform = mesh.devices.flat[0].platform
    with traced_for(platform):
        program = jax.jit(function, donate_argnums=0).lower(*jax.tree.unflatten(treedef, kinds), np.int32(0))
    return program.compile(compiler_options=training_options() if platform == "cpu" else None)


def _drawing(entry: Entry, mesh: Mesh, plan: Plan) -> Callable[[State, Batch, Key, jax.Array], tuple[State, dict[str, jax.Array]]]:
    """Return the program that draws its batches from the data on the devices."""
    share, length, step = plan.batch_size // mesh.size, plan.chunk_length(), _step(entry, mesh, plan)

    def run(state: State, data: Batch, key: Key, num: jax.Array) -> tuple[State, dict[str, jax.Array]]:
        first = state.step
        # Drawn for all steps at once: each by itself, they would take a tenth of a small flow's training.
        rows, keys = jax.vmap(lambda i: rows_at(key, i, data.x.shape[0], plan.batch_size))(first + jnp.arange(length))
        if mesh.size > 1:
            rows = jax.lax.dynamic_slice_in_dim(rows, jax.lax.axis_index(AXIS) * share, share, 1)

        def at(state: State, i: jax.Array, data: Batch, rows: jax.Array, keys: Key) -> tuple[State, dict[str, jax.Array]]:
            return step(state, jax.tree.map(lambda a: a[rows[i]], data), keys[i])

        return loop(at, state, num, length, data, rows, keys)

    return jax.shard_map(run, mesh=mesh, in_specs=(P(), P(), P(), P()), out_specs=P(), check_vma=False)


def _reading(entry: Entry, mesh: Mesh, plan: Plan) -> Callable[[State, Batch, Key, jax.Array], tuple[State, dict[str, jax.Array]]]:
    """Return the program that is given its batches `(K, batch_size, ...)` and keys `(K,)`."""
    step = _step(entry, mesh, plan)

    def run(state: State, batches: Batch, keys: Key, num: jax.Array) -> tuple[State, dict[str, jax.Array]]:
        def at(state: State, i: jax.Array, batches: Batch, keys: Key) -> tuple[State, dict[str, jax.Array]]:
            return step(state, *jax.tree.map(lambda a: a[i], (batches, keys)))

        return loop(at, state, num, plan.chunk_length(), batches, keys)

    return jax.shard_map(run, mesh=mesh, in_specs=(P(), P(None, AXIS), P(), P()), out_specs=P(), check_vma=False)


def loop(
    at: Callable[..., tuple[State, dict[str, jax.Array]]], state: State, num: jax.Array, length: int, *given: PyTree
) -> tuple[State, dict[str, jax.Array]]:
    """Run the first steps of a chunk.

    Args:
        at: `(state, i, *given) -> (state, metrics)`, the step of number `i` in the chunk.
        state: The state before the chunk.
        num: How many steps to run.
        length: The most steps that may be asked for.
        *given: What the steps read.

    Returns:
        The state after them and their metrics `(length,)`, which are zeros behind the last.
    """
    # Traced once, for the shapes of its metrics and for the loop.
    traced, shapes = jax.make_jaxpr(at, return_shape=True)(state, jnp.int32(0), *given)

    def body(i: jax.Array, carried: tuple[State, dict[str, jax.Array]]) -> tuple[State, dict[str, jax.Array]]:
        flat = jaxpr_as_fun(traced)(*jax.tree.leaves((carried[0], i, *given)))
        state, metrics = jax.tree.unflatten(jax.tree.structure(shapes), flat)
        return state, jax.tree.map(lambda all_steps, value: all_steps.at[i].set(value), carried[1], metrics)

    # Not a scan: the number of steps is an argument, so that a chunk can end wherever a validation loss is due.
    metrics = jax.tree.map(lambda s: jnp.zeros((length, *s.shape), s.dtype), shapes[1])
    return jax.lax.fori_loop(0, num, body, (state, metrics))


def _step(entry: Entry, mesh: Mesh, plan: Plan) -> Step:
    return make_step(entry, plan.num_steps, ema=plan.ema, axis_name=AXIS if mesh.size > 1 else None)


def _mesh(devices: Sequence[Any] | None, num_pieces: int) -> Mesh:
    """Return a mesh of as many devices as divide a batch of so many pieces."""
    devices = list(jax.local_devices() if devices is None else devices)
    if not devices:
        raise ValueError("fit: devices=[]; accepted: at least one of jax.devices().")
    count = max(n for n in range(1, len(devices) + 1) if num_pieces % n == 0)
    return Mesh(np.array(devices[:count]), (AXIS,))


def on_host(result: tuple[State, dict[str, jax.Array]], num: int) -> tuple[State, Metrics]:
    """Return a state as it is, and the metrics of the first steps of its chunk on the host.

    Args:
        result: The state and the metrics `(length,)`.
        num: How many steps were run.
    """
    state, metrics = result
    return state, {name: values[:num] for name, values in jax.device_get(metrics).items()}
