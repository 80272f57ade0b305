"""The option `--mesh`: a mesh of devices, as the user names its axes and their sizes."""

import math
from typing import Any

import jax
from jax.sharding import Mesh


def mesh_options(mesh: str | None, shard: str) -> dict[str, Any]:
    """Return the arguments `mesh` and `shard` of `fit` for the options of a command.

    Args:
        mesh: Axes and sizes such as "data=8" or "data=4,model=2"; None is an option that was not given.
        shard: The value of `--shard`.

    Raises:
        ValueError: The text is no such list, there are fewer devices, or there is a layout without a mesh.

    >>> mesh_options(None, "replicated")
    {}
    >>> mesh_options("data=0", "fsdp")
    Traceback (most recent call last):
    ValueError: --mesh data=0: accepted: axes and their sizes, such as data=8 or data=4,model=2.
    """
    if mesh is None:
        if shard != "replicated":
            raise ValueError(f"--shard {shard}: accepted with --mesh, over whose devices it splits the state.")
        return {}
    return {"mesh": _mesh(mesh), "shard": shard}


def _mesh(text: str) -> Mesh:
    axes: dict[str, int] = {}
    for part in text.split(","):
        name, _, size = part.partition("=")
        if not name.isidentifier() or name in axes or not (size.isascii() and size.isdigit()) or int(size) == 0:
            raise ValueError(f"--mesh {text}: accepted: axes and their sizes, such as data=8 or data=4,model=2.")
        axes[name] = int(size)
    needed, devices = math.prod(axes.values()), jax.devices()
    if needed > len(devices):
        hint = " JAX_NUM_CPU_DEVICES sets how many a CPU shows." if devices[0].platform == "cpu" else ""
        raise ValueError(f"--mesh {text}: takes {needed} devices; accepted: at most the {len(devices)} that JAX finds.{hint}")
    return jax.make_mesh(tuple(axes.values()), tuple(axes), devices=devices[:needed])
