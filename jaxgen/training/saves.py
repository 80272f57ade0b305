"""The saves of a run: numbered files in a folder, so that a new one never touches those before it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgen.training.checkpoint import save_arrays
from jaxgen.training.tensors import DamagedFileError, read_tensors
from jaxgen.types import PyTree

KEEP = 2
"""How many saves of a run are kept: should the newest be damaged, there is the one before it."""
_NAME = re.compile(r"(\d{6,})\.safetensors")


class Save(NamedTuple):
    """Hold what a save holds.

    Attributes:
        path: The file.
        arrays: The arrays by name.
        facts: The JSON values that were saved with them.
        damaged: The messages about newer saves that could not be read.
    """

    path: Path
    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]
    damaged: tuple[str, ...] = ()


def write_save(folder: Path, tree: PyTree, facts: Mapping[str, Any], *, alone: bool = False) -> Path:
    """Write the next save of a run, and remove those that it makes superfluous.

    Args:
        folder: The folder of the saves, which is made if need be.
        tree: A pytree of arrays.
        facts: JSON values that belong to them.
        alone: Remove all earlier saves and not only the old ones, because they are those of another run.

    Returns:
        The file, which is whole and on the disk.
    """
    earlier = _saves(folder)
    # What a killed process left half written.
    for part in folder.glob(".*.safetensors.*.part"):
        part.unlink(missing_ok=True)
    number = 1 + max((int(path.stem) for path in earlier), default=0)
    path = folder / f"{number:06d}.safetensors"
    save_arrays(path, tree, facts)
    for old in earlier if alone else earlier[KEEP - 1 :]:
        old.unlink(missing_ok=True)
    return path


def newest_save(folder: Path) -> Save:
    """Return the newest save of a run that is whole.

    Args:
        folder: The folder of the saves.

    Raises:
        FileNotFoundError: There is no save.
        DamagedFileError: Every save is damaged.
    """
    damaged: list[str] = []
    for path in _saves(folder):
        try:
            return Save(path, *read_tensors(path), tuple(damaged))
        except DamagedFileError as error:
            damaged.append(str(error))
    if damaged:
        raise DamagedFileError(" ".join(damaged))
    raise FileNotFoundError(f"newest_save: folder={str(folder)!r}; accepted: a folder in which a run was saved.")


def _saves(folder: Path) -> list[Path]:
    """Return the files of the saves, the newest first."""
    files = folder.iterdir() if folder.is_dir() else ()
    return sorted((path for path in files if _NAME.fullmatch(path.name)), key=lambda path: -int(path.stem))
