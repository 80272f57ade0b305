"""The readers by suffix: a path to a `Table`."""

import os
from collections.abc import Callable

from jaxgen.data.csv_files import read_csv
from jaxgen.data.frames import read_parquet
from jaxgen.data.tables import DataError, Table, read_npy, read_npz

READERS: dict[str, Callable[[str], Table]] = {".npy": read_npy, ".npz": read_npz, ".csv": read_csv, ".parquet": read_parquet}


def read_table(path: str) -> Table:
    """Read the table at `path`, by its suffix. Raises DataError for another suffix or a file that does not exist."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in READERS:
        raise DataError(f"{path}: another suffix; accepted: a {', '.join(READERS)} file.")
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such file; accepted: an existing file.")
    return READERS[suffix](path)
