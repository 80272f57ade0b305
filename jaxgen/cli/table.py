"""Tables of numbers in and out of files, for commands that take rows as they are."""

import os
from pathlib import Path

import numpy as np

from jaxgen.data.tables import DataError, read_table


def read_rows(path: Path, columns: tuple[str, ...] | None = None) -> np.ndarray:
    """The rows `(n, d)` float32 of a .npy, .npz, .csv or .parquet file, unscaled; `columns` by name, all by default.

    Raises DataError naming the file and the first row that holds something else than finite numbers.
    """
    table = read_table(os.fspath(path))
    unknown = [name for name in columns or () if name not in table.names]
    if unknown:
        raise DataError(f"{path}: has no column {', '.join(unknown)}; its columns are {', '.join(table.names)}")
    chosen = range(len(table.names)) if columns is None else [table.names.index(name) for name in columns]
    values = np.asarray(table.read(list(chosen)))
    if values.size == 0:
        raise DataError(f"{path}: has no rows")
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise DataError(f"{path}: holds {values.dtype}; expected real numbers")
    rows, places = np.nonzero(~np.isfinite(values.astype(np.float64)))
    if len(rows):
        raise DataError(f"{path}: row {rows[0] + 1}, column {table.names[list(chosen)[places[0]]]}: is not a finite number")
    return values.astype(np.float32)


def write_table(path: Path, rows: np.ndarray, names: object = None) -> None:
    """Write `(n, d)` as .npy or as .csv with a header; what is there is replaced in one step. ValueError for another ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    if path.suffix == ".npy":
        with temporary.open("wb") as file:
            np.save(file, rows, allow_pickle=False)
    elif path.suffix == ".csv":
        header = list(names) if isinstance(names, (list, tuple)) else [f"x{i}" for i in range(rows.shape[1])]
        np.savetxt(temporary, rows, delimiter=",", header=",".join(header), comments="", fmt="%.9g")
    else:
        raise ValueError(f"--out {path}: accepted endings: .npy, .csv.")
    os.replace(temporary, path)
