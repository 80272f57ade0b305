"""A batch split over the CPU's host devices: XLA hardly uses a second core at the sizes of these networks, two devices use both."""

import functools
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen.compiled import outermost

AXIS = "events"
# Below, crossing over costs more than the second core saves.
LEAST = 512


class _Copies(NamedTuple):
    """Params on all devices of a mesh, and weak references to the leaves that they are copies of."""

    mesh: Mesh
    treedef: Any
    leaves: tuple[Any, ...]
    params: Any


# Copying takes as long as a small flow's density of thousands of events, so those of the params used last are kept while the params live.
_last: list[_Copies] = []


def mesh_for(num: int, *args: Any) -> Mesh | None:
    """The mesh over which a batch of `num` events is to be split; None where one device is right.

    That is where there is one, or an accelerator, the events are few or do not divide, or arguments are traced or tied to a device.
    """
    if num < 2 * LEAST or jax.default_backend() != "cpu" or not outermost():
        return None
    count = max(n for n in range(1, len(jax.devices()) + 1) if num % n == 0 and (n == 1 or num // n >= LEAST))
    if count == 1 or any(getattr(a, "committed", False) for a in jax.tree.leaves(args)):
        return None
    return _mesh(count)


def everywhere(mesh: Mesh | None, params: Any) -> Any:
    """`params` on all devices of `mesh`."""
    if mesh is None:
        return params
    leaves, treedef = jax.tree.flatten(params)
    for kept in _last:
        if kept.mesh is mesh and kept.treedef == treedef and all(a is b() for a, b in zip(leaves, kept.leaves, strict=True)):
            return kept.params
    copies = jax.device_put(params, NamedSharding(mesh, P()))
    # Other arrays than JAX's may change.
    if leaves and all(isinstance(a, jax.Array) for a in leaves):
        _last[:] = [_Copies(mesh, treedef, tuple(weakref.ref(a, lambda _: _last.clear()) for a in leaves), copies)]
    return copies


def split(mesh: Mesh | None, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(params, *batches)` with the leading axis of the batches split over `mesh`, as far as it divides."""
    if mesh is None:
        return function

    def over_devices(params: Any, *batches: Any) -> Any:
        if jax.tree.leaves(batches)[0].shape[0] % mesh.size:
            return function(params, *batches)
        specs = (P(), *(P(AXIS) for _ in batches))
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=P(AXIS), check_vma=False)(params, *batches)

    return over_devices


def gathered(mesh: Mesh | None, result: Any) -> Any:
    """`result` in one piece and tied to no device, so that it goes with arrays of any."""
    if mesh is None:
        return result
    # The shards lie in the order of the batch; by JAX's own indexing this takes twice as long.
    return jax.tree.map(lambda a: jnp.asarray(np.concatenate([np.asarray(s.data) for s in a.addressable_shards])), result)


@functools.cache
def _mesh(count: int) -> Mesh:
    return Mesh(np.array(jax.devices()[:count]), (AXIS,))
