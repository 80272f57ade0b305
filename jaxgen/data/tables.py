"""Readers of one format each: a path to a `Table`, whose columns are read only when they are chosen."""

import contextlib
import csv
import itertools
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")


class DataError(ValueError):
    """Say that data cannot be used. The message names the file and, if there is one, the row (from 1, without the header) and the column."""


class MissingExtra(DataError, ImportError):
    """Say that the library for a format, an optional extra, is not installed."""


class Table(NamedTuple):
    """Hold a table whose columns are read only when they are chosen.

    Attributes:
        names: The names of the columns, which differ.
        read: Indices of columns to real numbers `(n, len(indices))` of any dtype. Raises DataError for other cells.
        cond: Condition columns that the file keeps apart, as an .npz with `cond` does.
        cells: The index of a column to its cells, text or numbers, for a column of categories. None takes the numbers of `read`.
    """

    names: tuple[str, ...]
    read: Callable[[Sequence[int]], np.ndarray]
    cond: "Table | None" = None
    cells: Callable[[int], Sequence[object]] | None = None

    def column(self, index: int) -> Sequence[object]:
        """Return the cells of one column, text or numbers."""
        return self.cells(index) if self.cells is not None else self.read([index])[:, 0].tolist()


def read_npy(path: str) -> Table:
    """Read a .npy file: one (n, d) array of real numbers, whose columns are named by their index."""
    return _array(path, "", _numpy_load(path, np.ndarray))


def read_npz(path: str) -> Table:
    """Read a .npz file: an array `x` (n, d) and optionally `cond` (n, c), or one array of any name."""
    with _numpy_load(path, np.lib.npyio.NpzFile) as archive:
        keys = list(archive.files)
        if not keys:
            raise DataError(f"{path}: holds no array; accepted: x and optionally cond.")
        main = "x" if "x" in keys else keys[0]
        if len(keys) > 1 and set(keys) != {"x", "cond"}:
            raise DataError(f"{path}: holds the arrays {', '.join(keys)}; accepted: x and optionally cond, or a single array.")
        arrays = {key: _guard(path, lambda key=key: archive[key], f"array {key}: ") for key in keys}
    x = _array(path, f"array {main}: ", arrays[main])
    if "cond" not in arrays or main == "cond":
        return x
    cond = _array(path, "array cond: ", arrays["cond"], prefix="cond")
    rows, cond_rows = len(arrays["x"]), len(arrays["cond"])
    if rows != cond_rows:
        raise DataError(f"{path}: array x has {rows} rows and cond has {cond_rows}; accepted: one condition per row.")
    return x._replace(cond=cond)


def read_csv(path: str) -> Table:
    """Read a .csv file in UTF-8. The first line is a header if none of its cells is a number."""
    head = _guard(path, lambda: list(itertools.islice(_rows(path), 2)))
    if not head:
        raise DataError(f"{path}: is empty; accepted: a table with rows.")
    first = head[0]
    header = not any(_is_number(cell) for cell in first)
    names = tuple(cell.strip() for cell in first) if header else _numbered(len(first))
    _unique(path, names)

    def lines_of() -> list[list[str]]:
        lines = _guard(path, lambda: list(_rows(path)))[header:]
        for number, cells in enumerate(lines, start=1):
            if len(cells) != len(names):
                raise DataError(f"{path}: row {number} has {len(cells)} cells; accepted: {len(names)}.")
        return lines

    def read(columns: Sequence[int]) -> np.ndarray:
        if list(columns) == list(range(len(names))) and len(head) > header:
            # Six times faster, but it would not say where a file is wrong, nor see rows of unequal length among chosen columns.
            with contextlib.suppress(ValueError), open(path, newline="", encoding="utf-8-sig") as file:
                if header:
                    next(cells for cells in csv.reader(file) if cells)
                return np.loadtxt(iter(file), delimiter=",", quotechar='"', comments=None, ndmin=2)
        lines = lines_of()
        try:
            return np.array([[cells[j] for j in columns] for cells in lines], dtype=object).astype(np.float64).reshape(-1, len(columns))
        except ValueError:
            row, j = next((i, j) for i, cells in enumerate(lines) for j in columns if not _is_number(cells[j]))
            where = f"{path}: row {row + 1}, column {names[j]!r}"
            cell = lines[row][j]
            hint = "; a header is a first line without any number" if row == 0 and not header else ""
            raise DataError(
                f"{where}: {cell!r} is not a number; accepted: numbers{hint}" if cell.strip() else f"{where}: the cell is empty"
            ) from None

    return Table(names, read, cells=lambda index: [cells[index] for cells in lines_of()])


def read_parquet(path: str) -> Table:
    """Read a .parquet file. Raises MissingExtra without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra(f'{path}: pyarrow is not installed; accepted: an environment with it, pip install "jaxgen[data]".') from None
    schema = _guard(path, lambda: pq.read_schema(path))
    _unique(path, tuple(schema.names))

    def read(columns: Sequence[int]) -> np.ndarray:
        for j in columns:
            kind = schema.types[j]
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
                raise DataError(f"{path}: column {schema.names[j]!r} is of type {kind}; accepted: real numbers.")
        chosen = [schema.names[j] for j in columns]
        table = _guard(path, lambda: pq.ParquetFile(path).read(columns=chosen))
        for name in chosen:
            if table[name].null_count:
                row = int(np.argmax(table[name].is_null().to_numpy())) + 1
                raise DataError(f"{path}: row {row}, column {name!r}: the cell is empty; accepted: a table with rows.")
        return np.stack([table[name].to_numpy().astype(np.float64) for name in chosen], axis=1)

    def cells(index: int) -> list[object]:
        name = schema.names[index]
        return _guard(path, lambda: pq.ParquetFile(path).read(columns=[name]))[name].to_pylist()

    return Table(tuple(schema.names), read, cells=cells)


READERS: dict[str, Callable[[str], Table]] = {".npy": read_npy, ".npz": read_npz, ".csv": read_csv, ".parquet": read_parquet}


def read_table(path: str) -> Table:
    """Read the table at `path`, by its suffix. Raises DataError for another suffix or a file that does not exist."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in READERS:
        raise DataError(f"{path}: another suffix; accepted: a {', '.join(READERS)} file.")
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such file; accepted: an existing file.")
    return READERS[suffix](path)


def _guard(path: str, read: Callable[[], T], where: str = "") -> T:
    """Return `read()`, and turn the errors of libraries for an unreadable file into a DataError that names it."""
    try:
        return read()
    except (OSError, ValueError, EOFError, KeyError, csv.Error, zipfile.BadZipFile) as error:
        if "pickle" in str(error):
            raise DataError(f"{path}: {where}holds Python objects; accepted: real numbers (pickled data is never loaded).") from None
        raise DataError(f"{path}: {where}cannot be read ({error}); accepted: an undamaged table.") from error


def _numpy_load(path: str, kind: type) -> Any:
    loaded = _guard(path, lambda: np.load(path, allow_pickle=False))
    if not isinstance(loaded, kind):
        raise DataError(f"{path}: the content is of another format; accepted: that of a {os.path.splitext(path)[1]} file.")
    return loaded


def _array(path: str, where: str, array: np.ndarray, prefix: str = "") -> Table:
    if array.dtype.kind not in "buif":
        raise DataError(f"{path}: {where}dtype {array.dtype}; accepted: real numbers.")
    if array.ndim != 2:
        hint = "; for one column reshape to (n, 1)" if array.ndim == 1 else ""
        raise DataError(f"{path}: {where}shape {array.shape}; accepted: two axes, (rows, columns){hint}.")
    return Table(tuple(prefix + name for name in _numbered(array.shape[1])), lambda columns: array[:, list(columns)])


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _unique(path: str, names: tuple[str, ...]) -> None:
    for j, name in enumerate(names):
        if name in names[:j]:
            raise DataError(f"{path}: columns {names.index(name)} and {j} are both named {name!r}; accepted: different names.")


def _rows(path: str) -> Iterator[list[str]]:
    """Return the rows of a csv file as lists of cells, without blank lines."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        yield from (cells for cells in csv.reader(file) if cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
