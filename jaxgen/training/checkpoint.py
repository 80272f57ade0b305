"""Arrays on disk: a pytree by the names of its leaves, in one file under checksums, never code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.training.tensors import read_tensors, write_tensors
from jaxgen.types import PyTree


def save_arrays(path: str | Path, tree: PyTree, facts: Mapping[str, Any] | None = None) -> None:
    """Write a pytree of arrays to a file in one step; an earlier one there stays until the new one is on the disk.

    Args:
        path: The file, by custom one that ends in .safetensors.
        tree: A pytree of arrays; random keys are arrays too.
        facts: JSON values that belong to the arrays, or None.

    >>> import tempfile, jax.numpy as jnp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_arrays(folder + "/a.safetensors", {"w": jnp.ones(2)})
    ...     load_arrays(folder + "/a.safetensors", {"w": jax.ShapeDtypeStruct((2,), jnp.float32)})
    {'w': Array([1., 1.], dtype=float32)}
    """
    write_tensors(path, named(tree), facts or {})


def load_arrays(path: str | Path, like: PyTree) -> PyTree:
    """Read a pytree of arrays from a file that `save_arrays` wrote.

    Args:
        path: The file.
        like: A pytree of arrays or of `jax.ShapeDtypeStruct` with the structure, shapes and dtypes of the arrays.

    Returns:
        The arrays, tied to no device.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: Some bit of the file is not as it was written.
        ValueError: The file holds other arrays than `like`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"load_arrays: path={str(path)!r}; accepted: a file that save_arrays wrote.")
    return tree_of(read_tensors(path)[0], like)


def named(tree: PyTree) -> dict[str, np.ndarray]:
    """Return the leaves of a pytree on the host as arrays of numpy, by name; a random key becomes its numbers."""
    return {name: np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf) for name, leaf in tree_named(tree).items()}


def tree_named(tree: PyTree) -> dict[str, Any]:
    """Return the leaves of a pytree by their paths, such as "params/dense/kernel", in the order of the leaves.

    Args:
        tree: The pytree.

    Raises:
        ValueError: Two leaves have the same name, because a key of a dict holds "/".
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    by_name = {_name(path): leaf for path, leaf in leaves}
    if len(by_name) < len(leaves):
        raise ValueError("save_arrays: tree=one in which two leaves have the same path; accepted: names without '/'.")
    return by_name


def tree_of(arrays: Mapping[str, np.ndarray], like: PyTree) -> PyTree:
    """Return the pytree whose leaves are given by their paths.

    Args:
        arrays: What `named` returned, and perhaps more.
        like: The pytree, of arrays or of `jax.ShapeDtypeStruct`.

    Raises:
        ValueError: An array is missing, or has another shape or dtype.
    """

    def leaf(path: Any, wanted: Any) -> jax.Array:
        name = _name(path)
        if name not in arrays:
            raise ValueError(f"load_arrays: like=a pytree with {name}, which is not in the file; accepted: the structure that was saved.")
        a, is_key = arrays[name], _is_key(wanted)
        shape, dtype = (a.shape[:-1], a.dtype) if is_key else (a.shape, a.dtype)
        if shape != wanted.shape or dtype != (np.uint32 if is_key else wanted.dtype):
            raise ValueError(f"load_arrays: like={name} of {wanted.dtype}{wanted.shape}; accepted: {dtype}{shape}, as it was saved.")
        if not is_key:
            return jnp.asarray(a)
        return jax.random.wrap_key_data(jnp.asarray(a), impl=jax.random.key_impl(jnp.empty((), wanted.dtype)))

    return jax.tree_util.tree_map_with_path(leaf, like)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(getattr(leaf, "dtype", np.float32), jax.dtypes.prng_key)
