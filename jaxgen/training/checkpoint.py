"""Arrays on disk through orbax: params and auxiliaries by name, never code."""

from pathlib import Path
from typing import Any

import jax

from jaxgen.types import PyTree


def save_arrays(path: str | Path, tree: PyTree) -> None:
    """Write a pytree of arrays to a folder in one step; an earlier one there is replaced.

    Args:
        path: The folder.
        tree: A pytree of arrays.
    """
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(Path(path).absolute(), tree, force=True)


def load_arrays(path: str | Path, like: PyTree) -> PyTree:
    """Read a pytree of arrays from a folder that `save_arrays` wrote.

    Args:
        path: The folder.
        like: A pytree of `jax.ShapeDtypeStruct` with the structure, shapes and dtypes of the arrays.

    Returns:
        The arrays, on the first device.

    Raises:
        FileNotFoundError: There is no checkpoint.
        ValueError: The checkpoint holds other arrays than `like`.
    """
    import orbax.checkpoint as ocp

    path = Path(path).absolute()
    if not path.is_dir():
        raise FileNotFoundError(f"load_arrays: path={str(path)!r}; accepted: a folder that save_arrays wrote.")
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=here), like)
    with ocp.StandardCheckpointer() as checkpointer:
        # Looked at first: orbax starts to read what it then refuses, and prints tracebacks of what it left.
        stored, wanted = (sorted(leaf.shape for leaf in jax.tree.leaves(tree)) for tree in (_stored(checkpointer.metadata(path)), like))
        if stored != wanted:
            raise ValueError(f"load_arrays: path={str(path)!r} with arrays of other shapes; accepted: those of `like`.")
        return checkpointer.restore(path, like)


def _stored(metadata: Any) -> PyTree:
    """The pytree of what orbax says of the arrays in a checkpoint."""
    return metadata.item_metadata.tree
