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

from jaxgen.batch_sizes import first_rows, padded, padded_size
from jaxgen.compiled import compiled, outermost
from jaxgen.meshes import automatic, mesh_of, over_other_axes, split_rows
from jaxgen.types import Key, Params, PyTree

AXIS = "events"
# Below, crossing over costs more than the second core saves.
LEAST = 512
_SPLIT = P(AXIS)


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
        tied to no device; if params lie on a mesh, the results lie there too. Outside of a caller's transformation a batch on the CPU or on one
        accelerator is computed as one of the sizes of `jaxgen.batch_sizes`.
    """

    @compiled(0, 1, 2, 3)
    def whole(
        static: tuple[Hashable, ...],
        size: int,
        batch_size: int | None,
        where: Mesh | _Gathered | None,
        params: Params,
        key: Key | None,
        num: np.int32 | None,
        rows: PyTree,
    ) -> Any:
        keys = None if key is None else _keys(key, size, num, where if isinstance(where, Mesh) else None)
        of_rows = functools.partial(function, *static)
        spread = _over_mesh(where, of_rows) if isinstance(where, _Gathered) else split(where, of_rows)
        return _in_batches(functools.partial(spread, params), size, batch_size, keys, *rows)

    @functools.wraps(function)
    def program(static: tuple[Hashable, ...], num: int, batch_size: int | None, params: Params, key: Key | None, *rows: PyTree) -> Any:
        on_mesh = _gathered(params)
        if on_mesh is not None or num < 1 or not outermost() or _placed(rows):
            return whole(static, num, batch_size, on_mesh, params, key, None, rows)
        size = padded_size(num, batch_size)
        mesh = mesh_for(size if batch_size is None else min(batch_size, size), params, key)
        given = rows if size == num else padded(rows, size)
        if mesh is not None:
            # JAX cuts arrays of NumPy into shares faster than its own, and reads its own as such without a copy.
            given = jax.tree.map(np.asarray, given)
        # Without a key no program needs to know how many rows are padding.
        count = None if key is None else np.int32(num)
        try:
            result = whole(static, size, batch_size, mesh, everywhere(mesh, params), key, count, given)
        except ValueError:
            if size == num:
                raise
            result = None
        if result is None:
            # What is wrong with the arguments is said of those that were given.
            return whole(static, num, batch_size, None, params, key, None, rows)
        if mesh is not None:
            return gathered(result, num)
        return result if size == num else first_rows(result, num)

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
    count = max(n for n in range(1, len(jax.local_devices()) + 1) if num % n == 0 and (n == 1 or num // n >= LEAST))
    return None if count == 1 or _placed(args) else _mesh(count)


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


def gathered(result: PyTree, num: int) -> PyTree:
    """Return the first `num` rows of a result that is split over a mesh, tied to no device, so that they go with arrays of any device.

    Args:
        result: A pytree of arrays, split along their first axis.
        num: The number of rows.

    Returns:
        The rows on one device, to which they are not tied.
    """

    # JAX's own indexing takes twice as long, and `jnp.asarray` four times as long as a program, of which the few sizes of batches need few.
    def joined(a: jax.Array) -> jax.Array:
        if isinstance(a.sharding, NamedSharding) and a.sharding.spec == _SPLIT:
            whole = np.concatenate([np.asarray(a.addressable_data(i)) for i in range(a.sharding.mesh.size)])
        elif a.is_fully_replicated:
            whole = np.asarray(a.addressable_data(0))
        else:
            whole = np.concatenate([np.asarray(s.data) for s in sorted(a.addressable_shards, key=_start)])
        return _on_default_device(whole) if num == len(whole) else jnp.asarray(whole[:num].copy())

    return jax.tree.map(joined, result)


@jax.jit
def _on_default_device(a: np.ndarray) -> jax.Array:
    return jnp.asarray(a)


def _start(shard: Any) -> int:
    return shard.index[0].start or 0


def _placed(args: PyTree) -> bool:
    """Return whether an argument is tied to a device."""
    return any(getattr(a, "committed", False) for a in jax.tree.leaves(args))


def _keys(key: Key, size: int, num: jax.Array | np.int32 | None, mesh: Mesh | None) -> Key:
    """Return a key for each of the events, of which those from `num` on are copies of the last one before, as their rows are."""

    # Every device makes all keys: to look one of them up on another device would take as long as making them.
    def everywhere(keys: Key) -> Key:
        return keys if mesh is None else jax.lax.with_sharding_constraint(keys, NamedSharding(mesh, P()))

    keys = everywhere(jax.random.split(key, size))
    return keys if num is None else everywhere(jnp.where(jnp.arange(size) < num, keys, keys[num - 1]))


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
    return Mesh(np.array(jax.local_devices()[:count]), (AXIS,))
