"""Where a fit runs: on this process's devices as they are, or on a mesh that may belong to several processes which decide together."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from jaxgen.compiled import once
from jaxgen.meshes import automatic, data_axis, placed, spans_processes, to_host
from jaxgen.objective import Batch
from jaxgen.training.chunk import Chunk, Plan, make_chunk
from jaxgen.training.entry import Entry
from jaxgen.training.sharded_chunk import make_sharded_chunk
from jaxgen.training.sharding import Shard, StateSharding, state_sharding
from jaxgen.training.state import State
from jaxgen.types import Key, PyTree


class Placement(Protocol):
    """Say where the arrays of a fit lie and which process writes; every function is called by all processes together."""

    writes: bool
    """Whether this process saves and shows progress."""
    sharding: StateSharding | None
    """How the state lies on a mesh, once it is born; None without a mesh."""

    def born(self, init: Callable[..., State], *args: PyTree) -> State:
        """Return `init(*args)` where the state is to lie."""
        ...

    def placed(self, state: State) -> State:
        """Return a state from elsewhere where it is to lie."""
        ...

    def chunk(self, entry: Entry, state: State, data: Batch, key: Key, plan: Plan) -> Chunk:
        """Compile a chunk of training, as `make_chunk` does."""
        ...

    def kept(self, tree: PyTree) -> PyTree:
        """Return copies that outlive the next step, which reuses the buffers."""
        ...

    def result(self, tree: PyTree) -> PyTree:
        """Return copies for the caller of the fit."""
        ...

    def agreed(self, *numbers: float) -> tuple[float, ...]:
        """Return the numbers of the first process."""
        ...

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in some process."""
        ...

    def require_same(self, **arguments: PyTree) -> None:
        """Refuse arguments of `fit` that differ between the processes."""
        ...


class Here:
    """Place a fit on devices of this process, with the state copied to each.

    Args:
        devices: The devices, or None for all of this process.
    """

    writes = True
    sharding: StateSharding | None = None

    def __init__(self, devices: Sequence[Any] | None) -> None:
        self.devices = devices

    def born(self, init: Callable[..., State], *args: PyTree) -> State:
        return once(init, *args)

    def placed(self, state: State) -> State:
        return state

    def chunk(self, entry: Entry, state: State, data: Batch, key: Key, plan: Plan) -> Chunk:
        return make_chunk(entry, state, data, key, plan, self.devices)

    def kept(self, tree: PyTree) -> PyTree:
        return to_host(tree)

    def result(self, tree: PyTree) -> PyTree:
        return on_one_device(tree)

    def agreed(self, *numbers: float) -> tuple[float, ...]:
        return numbers

    def any(self, flag: bool) -> bool:
        return flag

    def require_same(self, **arguments: PyTree) -> None:
        pass


class OnMesh:
    """Place a fit on a mesh.

    Args:
        mesh: The mesh, with devices of this process alone or of all processes.
        shard: How params lie on it, as `state_sharding` takes it.
        batch_size: The number of events of a batch.

    Raises:
        ValueError: The batch does not divide by the devices that share it, or the mesh has devices of some processes only.
    """

    sharding: StateSharding | None = None

    def __init__(self, mesh: Mesh, shard: Shard, batch_size: int) -> None:
        if not isinstance(mesh, Mesh):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"fit: mesh=<{type(mesh).__name__}>; accepted: a jax.sharding.Mesh, such as jax.make_mesh((8,), ('data',)).")
        self.mesh, self.together = automatic(mesh), spans_processes(mesh)
        self.shard: Shard = shard
        processes = {device.process_index for device in mesh.devices.flat}
        if processes not in ({jax.process_index()}, set(range(jax.process_count()))):
            raise ValueError(
                f"fit: mesh=devices of the processes {sorted(processes)} of {jax.process_count()}; accepted: of all, or of this one alone."
            )
        count = mesh.shape[data_axis(mesh)]
        if batch_size % count:
            raise ValueError(f"fit: batch_size={batch_size}; accepted: a multiple of {count}, the devices of this mesh that share a batch.")
        self.writes = jax.process_index() == 0 or not self.together

    def born(self, init: Callable[..., State], *args: PyTree) -> State:
        self.sharding = state_sharding(self.mesh, self.shard, jax.eval_shape(init, *args))
        return once(init, *args, out_shardings=self.sharding.state)

    def placed(self, state: State) -> State:
        assert self.sharding is not None
        lies = jax.tree.map(lambda a, s: isinstance(a, jax.Array) and a.sharding == s, state, self.sharding.state)
        return state if all(jax.tree.leaves(lies)) else placed(state, self.sharding.state)

    def chunk(self, entry: Entry, state: State, data: Batch, key: Key, plan: Plan) -> Chunk:
        assert self.sharding is not None
        return make_sharded_chunk(entry, state, data, key, plan, self.sharding)

    def kept(self, tree: PyTree) -> PyTree:
        return jax.tree.map(jnp.copy, tree)

    def result(self, tree: PyTree) -> PyTree:
        return jax.tree.map(jnp.copy, tree)

    def agreed(self, *numbers: float) -> tuple[float, ...]:
        if not self.together:
            return numbers
        return tuple(float(a) for a in multihost_utils.broadcast_one_to_all(np.asarray(numbers, np.float32)))

    def any(self, flag: bool) -> bool:
        return bool(multihost_utils.process_allgather(np.asarray(flag)).any()) if self.together else flag

    def require_same(self, **arguments: PyTree) -> None:
        if not self.together:
            return
        sums = np.asarray([_checksum(value) for value in arguments.values()], np.int32)
        differ = (multihost_utils.process_allgather(sums) != sums).any(0)
        # One process may find none where another finds some: all look at all.
        differ = multihost_utils.process_allgather(differ).any(0)
        if differ.any():
            name = list(arguments)[int(np.argmax(differ))]
            raise ValueError(f"fit: {name}=another in one process than in the others; accepted: the same in every process of a mesh.")


def _checksum(tree: PyTree) -> int:
    """Return a checksum of arrays in 31 bits, which fit the integers that JAX sends."""
    total = 0
    for leaf in jax.tree.leaves(tree):
        host = np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
        total = zlib.crc32(np.ascontiguousarray(host).view(np.uint8).reshape(-1).data, total)
    return total >> 1


def placement(devices: Sequence[Any] | None, mesh: Mesh | None, shard: Shard, batch_size: int) -> Placement:
    """Return where a fit runs.

    Args:
        devices: The devices of a fit without a mesh, or None.
        mesh: The mesh, or None.
        shard: How params lie on the mesh.
        batch_size: The number of events of a batch.

    Raises:
        ValueError: There are devices beside the mesh, a layout without a mesh, or the batch does not fit the mesh.
    """
    if mesh is None:
        if shard != "replicated":
            raise ValueError(f"fit: shard={shard!r}; accepted: 'replicated' without mesh=, which it lays the params over.")
        return Here(devices)
    if devices is not None:
        raise ValueError("fit: devices=a list beside mesh=; accepted: None, because a mesh names its devices.")
    return OnMesh(mesh, shard, batch_size)


def on_one_device(tree: PyTree) -> PyTree:
    """Return copies on the default device: training's own buffers are spread over the devices, and reused by its next steps."""
    return jax.tree.map(jnp.asarray, to_host(tree))
