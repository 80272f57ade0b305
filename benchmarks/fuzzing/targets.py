"""All targets of benchmarks/fuzz.py by name: `group:target`."""

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

Target = Callable[[np.random.Generator, Path], Callable[[], None]]


def targets(home: Path, groups: Collection[str]) -> dict[str, Target]:
    """Return a function by target that makes a case from a random generator and a folder of its own.

    Args:
        home: A folder for the valid input that targets damage copies of.
        groups: The groups that are wanted, as making valid input costs seconds.
    """
    found: dict[str, Target] = {}
    if "files" in groups:
        from fuzzing import tables

        found |= {f"files:{name}": tables.target(*valid) for name, valid in tables.files().items()}
    if "folders" in groups:
        from fuzzing import folders

        found |= {f"folders:{name}": target for name, target in folders.targets(home).items()}
    if "calls" in groups:
        from fuzzing import calls

        found |= {f"calls:{name}": target for name, target in calls.targets().items()}
    if "commands" in groups:
        from fuzzing import commands

        found |= {f"commands:{name}": target for name, target in commands.targets(home).items()}
    return found
