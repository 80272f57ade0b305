"""Whole-batch programs split over a CPU's cores, because XLA hardly uses a second core at the sizes of these networks.

Each core is a host device, and every device computes its share of the events. Where the params lie on a mesh, its devices share the events.
"""

import functools
import weakref
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen.compiled import compiled, outermost
from jaxgen.meshes import automatic, mesh_of, over_other_axes, split_rows
from jaxgen.types import Key, Params, PyTree

AXIS = "events"
# Below, crossing over costs more than the second core saves.
LEAST = 512


Rows: TypeAlias = Callable[..., Any]
"""A whole-batch function: static arguments first, then params, then arrays with one row an event; its results have one row an event."""


class Program(Protocol):
    """What `over_cores` makes of a whole-batch function."""

    def __call__(
        self, static: tuple[Hashable, ...], num: int, batch_size: int | None, params: Params, key: Key | None, *rows: PyTree
    ) -> Any: ...


class _Copies(NamedTuple):
    """Params on all devices of a mesh, and weak references to the leaves from which they were copied."""

    mesh: Mesh
    treedef: Any
    leaves: tuple[Any, ...]
    params: Params


class _Gathered(NamedTuple):
    """How the leaves of params are to lie for a batch that the devices of a mesh share; static, and so a tuple."""

    mesh: Mesh
    shardings: tuple[NamedSharding, ...]


# Copying takes as long as a small flow's density of thousands of events, so the copies of the last params are kept while the params live.
_last: list[_Copies] = []


def over_cores(function: Rows) -> Program:
    """Compile `function(*static, params, keys, *rows)` over a batch, in slices of `batch_size` events that are split over the CPU's cores.

    Args:
        function: A pure function of static arguments, params, one key for each event (None without a key) and arrays with one row an event.

    Returns:
        `program(static, num, batch_size, params, key, *rows)`, which makes the `num` keys out of one and returns the results of all rows,
        tied to no device; if params lie on a mesh, the results lie there too.
    """

    @compiled(0, 1, 2, 3)
    def whole(
        static: tuple[Hashable, ...],
        num: int,
        batch_size: int | None,
        where: Mesh | _Gathered | None,
        params: Params,
        key: Key | None,
        rows: PyTree,
    ) -> Any:
        keys = None if key is None else jax.random.split(key, num)
        of_rows = functools.partial(function, *static)
        spread = _over_mesh(where, of_rows) if isinstance(where, _Gathered) else split(where, of_rows)
        return _in_batches(functools.partial(spread, params), num, batch_size, keys, *rows)

    @functools.wraps(function)
    def program(static: tuple[Hashable, ...], num: int, batch_size: int | None, params: Params, key: Key | None, *rows: PyTree) -> Any:
        on_mesh = _gathered(params)
        if on_mesh is not None:
            return whole(static, num, batch_size, on_mesh, params, key, rows)
        mesh = mesh_for(num if batch_size is None else min(batch_size, num), params, key, rows)
        return gathered(mesh, whole(static, num, batch_size, mesh, everywhere(mesh, params), key, rows))

    return program


def mesh_for(num: int, *args: PyTree) -> Mesh | None:
    """Return the mesh over which to split a batch of `num` events.

    Args:
        num: The number of events that are computed at once.
        *args: The arguments of the computation.

    Returns:
        The mesh. None if there is a single device or an accelerator, if the batch is small or indivisible, or if an argument is traced or
        tied to a device.
    """
    if num < 2 * LEAST or jax.default_backend() != "cpu" or not outermost():
        return None
    count = max(n for n in range(1, len(jax.devices()) + 1) if num % n == 0 and (n == 1 or num // n >= LEAST))
    if count == 1 or any(getattr(a, "committed", False) for a in jax.tree.leaves(args)):
        return None
    return _mesh(count)


def everywhere(mesh: Mesh | None, params: Params) -> Params:
    """Copy `params` to all devices of `mesh`.

    Args:
        mesh: The mesh, or None.
        params: A pytree of arrays.

    Returns:
        The copies, which are remembered while the params live; `params` itself if `mesh` is None.
    """
    if mesh is None:
        return params
    leaves, treedef = jax.tree.flatten(params)
    for copies in _last:
        if copies.mesh is mesh and copies.treedef == treedef and all(a is b() for a, b in zip(leaves, copies.leaves, strict=True)):
            return copies.params
    copied = jax.device_put(params, NamedSharding(mesh, P()))
    # Other arrays than JAX's may change.
    if leaves and all(isinstance(a, jax.Array) for a in leaves):
        _last[:] = [_Copies(mesh, treedef, tuple(weakref.ref(a, lambda _: _last.clear()) for a in leaves), copied)]
    return copied


def split(mesh: Mesh | None, function: Rows) -> Rows:
    """Split the leading axis of the batches of `function(params, *batches)` over `mesh`.

    Args:
        mesh: The mesh, or None.
        function: `(params, *batches) -> results`, both with one row an event.

    Returns:
        A function of the same arguments; `function` itself if `mesh` is None. A batch that does not divide is computed in one piece.
    """
    if mesh is None:
        return function

    def over_devices(params: Params, *batches: PyTree) -> Any:
        if jax.tree.leaves(batches)[0].shape[0] % mesh.size:
            return function(params, *batches)
        specs = (P(), *(P(AXIS) for _ in batches))
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=P(AXIS), check_vma=False)(params, *batches)

    return over_devices


def _gathered(params: Params) -> _Gathered | None:
    """Return how params that lie on a mesh of several devices are gathered for a batch; None for all others."""
    mesh = mesh_of(params)
    if mesh is None:
        return None
    leaves = jax.tree.leaves(params)
    shardings = [
        a.sharding for a in leaves if isinstance(a, jax.Array) and isinstance(a.sharding, NamedSharding) and a.sharding.mesh == mesh
    ]
    return _Gathered(automatic(mesh), tuple(map(over_other_axes, shardings))) if len(shardings) == len(leaves) else None


def _over_mesh(where: _Gathered, function: Rows) -> Rows:
    """Let the compiler share the rows of `function(params, *batches)` among the devices of the mesh on which params lie."""

    def over_devices(params: Params, *batches: PyTree) -> Any:
        leaves, treedef = jax.tree.flatten(params)
        whole = treedef.unflatten([jax.lax.with_sharding_constraint(a, s) for a, s in zip(leaves, where.shardings, strict=True)])
        return split_rows(where.mesh, function(whole, *split_rows(where.mesh, batches)))

    return over_devices


def gathered(mesh: Mesh | None, result: PyTree) -> PyTree:
    """Return `result` in one piece and tied to no device, so that it goes with arrays of any device.

    Args:
        mesh: The mesh over which the result is split, or None.
        result: A pytree of arrays.

    Returns:
        The same arrays on one device, to which they are not tied.
    """
    if mesh is None:
        return result

    # JAX's own indexing takes twice as long. A rest that does not divide leaves every device with a copy of all rows; shards that
    # start at one row are therefore taken once.
    def joined(a: jax.Array) -> jax.Array:
        shards = {s.index[0].start or 0: s.data for s in a.addressable_shards}
        return jnp.asarray(np.concatenate([np.asarray(shards[start]) for start in sorted(shards)]))

    return jax.tree.map(joined, result)


def _in_batches(function: Rows, num: int, batch_size: int | None, *rows: PyTree) -> Any:
    """Return `function(*rows)`, computed over slices of `batch_size` rows, one after the other, and over the rest."""
    if batch_size is None or batch_size >= num:
        return function(*rows)
    whole = num - num % batch_size
    head = jax.tree.map(lambda a: a[:whole].reshape(-1, batch_size, *a.shape[1:]), rows)
    out = jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), jax.lax.map(lambda a: function(*a), head))
    if whole == num:
        return out
    tail = function(*jax.tree.map(lambda a: a[whole:], rows))
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), out, tail)


@functools.cache
def _mesh(count: int) -> Mesh:
    return Mesh(np.array(jax.devices()[:count]), (AXIS,))
