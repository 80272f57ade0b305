"""Meshes of devices: which axis splits the rows of a batch, and how arrays come onto a mesh and back, in one process or in several."""

from typing import Any

import jax
import numpy as np
from jax.core import Tracer
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen.types import PyTree

DATA = "data"
"""The name of the axis that splits batches, in a mesh that has an axis of that name."""


def data_axis(mesh: Mesh) -> str:
    """Return the axis of a mesh over which the rows of a batch are split: "data", or the first axis if none has that name."""
    return DATA if DATA in mesh.axis_names else str(mesh.axis_names[0])


def automatic(mesh: Any) -> Mesh:
    """Return the mesh with axes over which the compiler spreads a program by itself, whatever kind of axes it was made with."""
    return Mesh(mesh.devices, mesh.axis_names)


def spans_processes(mesh: Mesh) -> bool:
    """Return whether a mesh has devices of several processes."""
    return len({device.process_index for device in mesh.devices.flat}) > 1


def mesh_of(tree: PyTree) -> Mesh | None:
    """Return the mesh of several devices on which the first leaf of a pytree lies; None if it lies on one device, or is traced."""
    leaf = _first_leaf(tree)
    # A tracer is an array too, and has no devices.
    sharding = getattr(leaf, "sharding", None) if isinstance(leaf, jax.Array) and not isinstance(leaf, Tracer) else None
    return sharding.mesh if isinstance(sharding, NamedSharding) and isinstance(sharding.mesh, Mesh) and sharding.mesh.size > 1 else None


def _first_leaf(tree: PyTree) -> Any:
    """Return the first leaf of a pytree, None without leaves. Down the first branch it takes a tenth of the time of a list of all leaves."""
    branch = tree
    while isinstance(branch, dict | tuple | list) and branch:
        branch = branch[min(branch)] if isinstance(branch, dict) else branch[0]
    return branch if isinstance(branch, jax.Array) else next(iter(jax.tree.leaves(tree)), None)


def split_rows(mesh: Mesh, tree: PyTree, axis: int = 0) -> PyTree:
    """Ask the compiler to split the rows of arrays over the data axis of a mesh; arrays whose rows do not divide are left to it.

    Args:
        mesh: The mesh.
        tree: A pytree of traced arrays.
        axis: The axis of the rows.

    Returns:
        The same arrays.
    """
    name = data_axis(mesh)
    sharding = NamedSharding(mesh, P(*(None,) * axis, name))

    def split(a: jax.Array) -> jax.Array:
        return a if a.shape[axis] % mesh.shape[name] else jax.lax.with_sharding_constraint(a, sharding)

    return jax.tree.map(split, tree)


def over_other_axes(sharding: NamedSharding) -> NamedSharding:
    """Return the sharding of the same array once it is gathered over the data axis, where each device needs it whole to use its own rows."""
    mesh = automatic(sharding.mesh)
    name = data_axis(mesh)

    def without(entry: Any) -> Any:
        if isinstance(entry, tuple):
            return tuple(axis for axis in entry if axis != name) or None
        return None if entry == name else entry

    return NamedSharding(mesh, P(*map(without, sharding.spec)))


def placed(tree: PyTree, shardings: PyTree) -> PyTree:
    """Return copies of arrays on a mesh.

    Args:
        tree: A pytree of arrays: on the host or on one device, where every process holds the same numbers, or on any mesh.
        shardings: A pytree of shardings for its leaves, or one sharding for all of them.

    Returns:
        The arrays, each process with the pieces of its own devices.
    """
    if isinstance(shardings, NamedSharding):
        one = shardings
        shardings = jax.tree.map(lambda _: one, tree)

    def place(leaf: Any, sharding: NamedSharding) -> jax.Array:
        if _is_key(leaf):
            data = place(jax.random.key_data(leaf), NamedSharding(sharding.mesh, P(*sharding.spec)))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return jax.jit(lambda a: a, out_shardings=sharding)(leaf)
        # A copy: the callback's pieces may be views, and training donates what it is given.
        host = np.array(leaf, copy=True)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(place, tree, shardings)


def to_host(tree: PyTree) -> PyTree:
    """Return a pytree with every JAX array as a copy in numpy; random keys stay. All processes of a mesh have to call it together.

    A view would change, or would keep the device from writing into its own memory, when a training step reuses the buffers.
    """

    def copy(leaf: PyTree) -> PyTree:
        if not isinstance(leaf, jax.Array) or _is_key(leaf):
            return leaf
        if leaf.is_fully_addressable or leaf.is_fully_replicated:
            return np.array(leaf, copy=True)
        return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))

    return jax.tree.map(copy, tree)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
