"""Arrays on disk through orbax: params and auxiliaries by name, never code."""

from pathlib import Path
from typing import Any

import jax


def save_arrays(path: str | Path, tree: Any) -> None:
    """Write a pytree of arrays to the folder `path`, replacing what an earlier call wrote there."""
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(Path(path).absolute(), tree, force=True)


def load_arrays(path: str | Path, like: Any) -> Any:
    """Read the pytree at `path` into the structure, shapes and dtypes of `like` (`jax.ShapeDtypeStruct` leaves).

    Raises FileNotFoundError where there is no checkpoint and ValueError where it holds other arrays than `like`.
    """
    import orbax.checkpoint as ocp

    path = Path(path).absolute()
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no checkpoint here.")
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=here), like)
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(path, like)
