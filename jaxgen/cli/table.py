"""Rows of a user's file for a trained model, and rows of a model as a file."""

import os
from pathlib import Path

import numpy as np

from jaxgen import checks, zoo
from jaxgen.data import DataError, Schema
from jaxgen.data.readers import read_table
from jaxgen.data.tables import Table
from jaxgen.data.writers import write_columns
from jaxgen.training import Entry


def read_events(entry: Entry, path: Path, columns: tuple[str, ...] | None = None) -> np.ndarray:
    """Read the events of a model from a file, in the units of the file.

    Args:
        entry: The model's entry, whose stored columns are looked for in the file.
        path: A .npy, .npz, .csv or .parquet file.
        columns: Columns to read in this order, by name; None takes those that the model was trained on, or all if it does not know names.

    Returns:
        The events `(n, d)`, float32.

    Raises:
        DataError: A column is unknown, there are no rows, or a cell cannot be used; the message names the file and the first row.
    """
    table, schema = _chosen(read_table(os.fspath(path)), columns), zoo.schema_of(entry)
    if schema is None or not schema.event:
        return _numbers(table)
    if columns is not None and len(columns) == len(schema.event):
        # Columns that were named take the places of those that the model was trained on, in this order.
        table = table._replace(names=tuple(column.name for column in schema.event))
    return (zoo.partial_rows(schema, table) if zoo.takes_gaps(entry) else schema.encode(table)).astype(np.float32)


def read_conditions(entry: Entry, path: Path) -> tuple[np.ndarray, Table]:
    """Read conditions from a file.

    Args:
        entry: The model's entry, whose stored columns of the condition are looked for in the file.
        path: A .npy, .npz, .csv or .parquet file.

    Returns:
        The conditions `(n, c)` float32 as the model takes them, and the file's table.

    Raises:
        DataError: A column is absent, there are no rows, or a cell cannot be used.
    """
    table, schema = read_table(os.fspath(path)), zoo.schema_of(entry)
    table = table.cond or table
    if schema is None or not schema.cond:
        return _numbers(table), table
    return schema.encode_cond(table).astype(np.float32), table


def write_samples(path: Path, x: np.ndarray, schema: Schema | None, cond: Table | None = None) -> None:
    """Write samples with the names, the labels and the dates of the data; conditions stand beside them.

    Args:
        path: The file, .csv, .npy, .npz or .parquet.
        x: Samples `(n, d)` in the units of the data.
        schema: The columns of the data; None names the coordinates x0, x1 and so on.
        cond: The table of the conditions, one row for each sample, or None.
    """
    if schema is None or not schema.event:
        beside = {} if cond is None else {f"cond_{name}": cond.column(j) for j, name in enumerate(cond.names)}
        write_columns(path, {f"x{j}": x[:, j] for j in range(x.shape[1])}, beside or None)
        return
    cells = schema.rows(x, cond)
    conditions = {column.name: cells[column.name] for column in schema.cond if column.name in cells}
    rest = {name: values for name, values in cells.items() if name not in conditions}
    if path.suffix == ".npz":
        write_columns(path, rest, conditions or None, schema.dialect)
    else:
        write_columns(path, cells, None, schema.dialect)


def _chosen(table: Table, columns: tuple[str, ...] | None) -> Table:
    if columns is None:
        return table
    place = {name: j for j, name in enumerate(table.names)}
    unknown = [name for name in columns if name not in place]
    if unknown:
        hint = checks.closest(unknown[0], table.names)
        raise DataError(f"{table.source}: has no column {', '.join(unknown)}; accepted: {', '.join(table.names)}.{hint}")
    return table._replace(names=columns, column=lambda j: table.column(place[columns[j]]))


def _numbers(table: Table) -> np.ndarray:
    """The rows of a table whose columns nobody has described, all finite numbers."""
    values = table.read(range(len(table.names)))
    if values.size == 0:
        raise DataError(f"{table.source}: has no rows; accepted: at least one.")
    rows, places = np.nonzero(~np.isfinite(values))
    if len(rows):
        where = f"row {rows[0] + 1}, column {table.names[places[0]]}"
        raise DataError(f"{table.source}: {where}: is not a finite number; accepted: finite numbers.")
    return values.astype(np.float32)
