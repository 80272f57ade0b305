"""Tables of numbers from and to files, for commands that take the rows as they are."""

import os
from pathlib import Path

import numpy as np

from jaxgen.atomic import replacing
from jaxgen.data.tables import DataError, read_table


def read_rows(path: Path, columns: tuple[str, ...] | None = None) -> np.ndarray:
    """Read the rows of a file without scaling them.

    Args:
        path: A .npy, .npz, .csv or .parquet file.
        columns: Columns to read, by name; None stands for all of them.

    Returns:
        The rows `(n, d)`, float32.

    Raises:
        DataError: A column is unknown, there are no rows, or a value is not a finite number; the message names the file and the first row.
    """
    table = read_table(os.fspath(path))
    unknown = [name for name in columns or () if name not in table.names]
    if unknown:
        raise DataError(f"{path}: has no column {', '.join(unknown)}; accepted: {', '.join(table.names)}.")
    chosen = range(len(table.names)) if columns is None else [table.names.index(name) for name in columns]
    values = np.asarray(table.read(list(chosen)))
    if values.size == 0:
        raise DataError(f"{path}: has no rows; accepted: at least one.")
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise DataError(f"{path}: holds {values.dtype}; accepted: real numbers.")
    rows, places = np.nonzero(~np.isfinite(values.astype(np.float64)))
    if len(rows):
        where = f"row {rows[0] + 1}, column {table.names[list(chosen)[places[0]]]}"
        raise DataError(f"{path}: {where}: is not a finite number; accepted: finite numbers.")
    return values.astype(np.float32)


def write_table(path: Path, rows: np.ndarray, names: object = None) -> None:
    """Write an array as .npy, or as .csv with a header; an earlier file is replaced in one step.

    Args:
        path: The file; its folder is made.
        rows: Array `(n, d)`, or of any shape for .npy.
        names: Names of the columns as a list or a tuple; anything else stands for x0, x1 and so on.

    Raises:
        ValueError: The file has another ending.
    """
    if path.suffix not in (".npy", ".csv"):
        raise ValueError(f"--out {path}: accepted: a file that ends in .npy or .csv.")
    with replacing(path) as part, part.open("wb") as file:
        if path.suffix == ".npy":
            np.save(file, rows, allow_pickle=False)
        else:
            header = list(names) if isinstance(names, (list, tuple)) else [f"x{i}" for i in range(rows.shape[1])]
            np.savetxt(file, rows, delimiter=",", header=",".join(header), comments="", fmt="%.9g")
