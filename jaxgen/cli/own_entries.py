"""Entries of a user's own modules, for commands that take the names of models."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path


def own_entries(modules: Sequence[str]) -> None:
    """Import the modules that register a user's entries; those of the folder in which the command runs are found as well.

    Args:
        modules: Names as `import` takes them.

    Raises:
        ValueError: A module cannot be imported.
    """
    here = str(Path.cwd())
    if modules and here not in sys.path:
        sys.path.insert(0, here)
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ValueError(f"--imports {module}: {error}; accepted: modules that can be imported here.") from None
