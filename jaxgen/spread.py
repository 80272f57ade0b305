"""A batch split over the CPU's host devices: XLA hardly uses a second core at the sizes of these networks, two devices use both."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

AXIS = "events"
# Below, crossing over costs more than the second core saves.
LEAST = 512


def mesh_for(num: int, *args: Any) -> Mesh | None:
    """The mesh over which a batch of `num` events is to be split; None where one device is right.

    That is where there is one, or an accelerator, the events are few or do not divide, or arguments are traced or tied to a device.
    """
    if jax.default_backend() != "cpu" or num < 2 * LEAST:
        return None
    if any(isinstance(a, Tracer) or (isinstance(a, jax.Array) and a.committed) for a in jax.tree.leaves(args)):
        return None
    count = max(n for n in range(1, len(jax.devices()) + 1) if num % n == 0 and (n == 1 or num // n >= LEAST))
    return _mesh(count) if count > 1 else None


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
    return result if mesh is None else jax.tree.map(jnp.asarray, jax.device_get(result))


@functools.cache
def _mesh(count: int) -> Mesh:
    return Mesh(np.array(jax.devices()[:count]), (AXIS,))
