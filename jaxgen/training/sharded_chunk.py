"""A chunk of training steps on a mesh whose devices the compiler fills by itself, in one process or in several."""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen.compiled import traced_for, training_options
from jaxgen.meshes import data_axis, placed, spans_processes, split_rows
from jaxgen.objective import Batch
from jaxgen.training.chunk import Chunk, Metrics, Plan, loop, on_host
from jaxgen.training.entry import Entry
from jaxgen.training.prepared import PreparedBatches
from jaxgen.training.sharding import StateSharding
from jaxgen.training.state import State
from jaxgen.training.step import make_step, rows_at
from jaxgen.types import Key

Program = Callable[..., tuple[State, dict[str, jax.Array]]]


class ProcessLostError(ConnectionError):
    """Report that another process of a training has ended, so that this one cannot go on."""


def make_sharded_chunk(entry: Entry, state: State, data: Batch, key: Key, plan: Plan, sharding: StateSharding) -> Chunk:
    """Compile a chunk of training for a mesh, on which the state lies already.

    The program is that of one device: it draws each batch whole, and the compiler gives every device its rows. So an objective that
    compares the events of a batch is spread too, and what is trained does not depend on the mesh beyond rounding.

    Args:
        entry: The entry to train.
        state: The state to begin from.
        data: All the events and conditions, on this host and the same in every process.
        key: The key that batches are drawn from.
        plan: The length of training and its batches.
        sharding: How the state lies.

    Returns:
        The compiled chunk.
    """
    mesh, start, first = sharding.mesh, time.perf_counter(), int(state.step)
    everywhere, by_row = NamedSharding(mesh, P()), NamedSharding(mesh, P(None, data_axis(mesh)))
    shardings, prepare = (sharding.state, everywhere), entry.objective.prepare
    platform = mesh.devices.flat[0].platform
    options = training_options() if platform == "cpu" else None
    if prepare is None:
        given = placed((data, key), everywhere)
        chosen = lambda done, until: given
        program = _drawing(entry, sharding, plan, data.x.shape[0])
    else:
        source = PreparedBatches(entry.objective, prepare, data, key, plan.num_steps, plan.batch_size, plan.chunk_length(), first)

        def chosen(done: int, until: int) -> tuple[Batch, Key]:
            # Every process makes the same plan of the whole batch, and places the rows of its own devices.
            batches, keys = source.take(done, until)
            return placed(batches, by_row), placed(keys, everywhere)

        program = _reading(entry, sharding, plan)
    compiled = jax.jit(program, out_shardings=shardings, donate_argnums=0)
    with traced_for(platform):
        run = compiled.lower(state, *chosen(first, first), _count(0, everywhere)).compile(compiler_options=options)

    def chunk(state: State, done: int, until: int) -> tuple[State, Metrics]:
        try:
            return on_host(run(state, *chosen(done, until), _count(until - done, everywhere)), until - done)
        except (RuntimeError, ValueError) as error:
            if not spans_processes(mesh):
                raise
            raise ProcessLostError(
                f"fit: another process of this training has ended after step {done} ({str(error).splitlines()[0]}). What was saved is "
                "whole: fit(start=FOLDER) goes on from it, on any mesh."
            ) from error

    return Chunk(chunk, state, time.perf_counter() - start)


def _drawing(entry: Entry, sharding: StateSharding, plan: Plan, num: int) -> Program:
    """Return the program that draws its batches from the data, which every device holds."""
    step = make_step(entry, plan.num_steps, ema=plan.ema, sharding=sharding)

    def run(state: State, data: Batch, key: Key, count: jax.Array) -> tuple[State, dict[str, jax.Array]]:
        rows, keys = jax.vmap(lambda i: rows_at(key, i, num, plan.batch_size))(state.step + jnp.arange(plan.chunk_length()))
        rows = split_rows(sharding.mesh, rows, 1)

        def at(state: State, i: jax.Array, data: Batch, rows: jax.Array, keys: Key) -> tuple[State, dict[str, jax.Array]]:
            return step(state, jax.tree.map(lambda a: a[rows[i]], data), keys[i])

        return loop(at, state, count, plan.chunk_length(), data, rows, keys)

    return run


def _reading(entry: Entry, sharding: StateSharding, plan: Plan) -> Program:
    """Return the program that is given its batches `(K, batch_size, ...)` and keys `(K,)`."""
    step = make_step(entry, plan.num_steps, ema=plan.ema, sharding=sharding)

    def run(state: State, batches: Batch, keys: Key, count: jax.Array) -> tuple[State, dict[str, jax.Array]]:
        def at(state: State, i: jax.Array, batches: Batch, keys: Key) -> tuple[State, dict[str, jax.Array]]:
            return step(state, *jax.tree.map(lambda a: a[i], (batches, keys)))

        return loop(at, state, count, plan.chunk_length(), batches, keys)

    return run


def _count(num: int, everywhere: NamedSharding) -> jax.Array:
    return placed(np.int32(num), everywhere)
