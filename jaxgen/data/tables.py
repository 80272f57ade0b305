"""Readers of one format each: a path to a `Table`, whose columns are read only when they are chosen."""

import contextlib
import csv
import itertools
import os
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np


class DataError(ValueError):
    """Data that cannot be used; the message names the file, and the row (1-based, header not counted) and column where there is one."""


class MissingExtra(DataError, ImportError):
    """A format whose library is an optional extra that is not installed."""


class Table(NamedTuple):
    """names: of the columns, unique. read: indices of columns -> (n, len(indices)) real numbers of any dtype; DataError where it cannot."""

    names: tuple[str, ...]
    read: Callable[[Sequence[int]], np.ndarray]
    cond: "Table | None" = None
    """Condition columns that the file itself keeps apart, as an .npz with `cond` does."""
    cells: Callable[[int], Sequence[Any]] | None = None
    """One column as its cells are, text or numbers, for a column of categories; None: the numbers that `read` gives."""

    def column(self, index: int) -> Sequence[Any]:
        """The cells of one column, whatever they hold."""
        return self.cells(index) if self.cells is not None else self.read([index])[:, 0].tolist()


def read_npy(path: str) -> Table:
    """A .npy file: one (n, d) array of real numbers; columns are named by their index."""
    return _array(path, "", _numpy_load(path, np.ndarray))


def read_npz(path: str) -> Table:
    """A .npz file: an array `x` (n, d) and optionally `cond` (n, c), or one array of any name."""
    with _numpy_load(path, np.lib.npyio.NpzFile) as archive:
        keys = list(archive.files)
        if not keys:
            raise DataError(f"{path}: holds no array; expected x and optionally cond")
        main = "x" if "x" in keys else keys[0]
        if len(keys) > 1 and set(keys) != {"x", "cond"}:
            raise DataError(f"{path}: holds the arrays {', '.join(keys)}; expected x and optionally cond, or a single array")
        arrays = {key: _guard(path, lambda key=key: archive[key], f"array {key}: ") for key in keys}
    x = _array(path, f"array {main}: ", arrays[main])
    if "cond" not in arrays or main == "cond":
        return x
    cond = _array(path, "array cond: ", arrays["cond"], prefix="cond")
    rows, cond_rows = len(arrays["x"]), len(arrays["cond"])
    if rows != cond_rows:
        raise DataError(f"{path}: array x has {rows} rows and cond has {cond_rows}; expected one condition per row")
    return x._replace(cond=cond)


def read_csv(path: str) -> Table:
    """A .csv file, comma separated, UTF-8; the first line is a header where none of its cells is a number."""
    head = _guard(path, lambda: list(itertools.islice(_rows(path), 2)))
    if not head:
        raise DataError(f"{path}: is empty")
    first = head[0]
    header = not any(_is_number(cell) for cell in first)
    names = tuple(cell.strip() for cell in first) if header else _numbered(len(first))
    _unique(path, names)

    def lines_of() -> list[list[str]]:
        lines = _guard(path, lambda: list(_rows(path)))[header:]
        for number, cells in enumerate(lines, start=1):
            if len(cells) != len(names):
                raise DataError(f"{path}: row {number} has {len(cells)} cells, expected {len(names)}")
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
            raise DataError(f"{where}: {cell!r} is not a number{hint}" if cell.strip() else f"{where}: the cell is empty") from None

    return Table(names, read, cells=lambda index: [cells[index] for cells in lines_of()])


def read_parquet(path: str) -> Table:
    """A .parquet file. Raises MissingExtra without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra(f'{path}: reading parquet needs pyarrow: pip install "jaxgen[data]"') from None
    schema = _guard(path, lambda: pq.read_schema(path))
    _unique(path, tuple(schema.names))

    def read(columns: Sequence[int]) -> np.ndarray:
        for j in columns:
            kind = schema.types[j]
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
                raise DataError(f"{path}: column {schema.names[j]!r} is of type {kind}; expected real numbers")
        chosen = [schema.names[j] for j in columns]
        table = _guard(path, lambda: pq.ParquetFile(path).read(columns=chosen))
        for name in chosen:
            if table[name].null_count:
                row = int(np.argmax(table[name].is_null().to_numpy())) + 1
                raise DataError(f"{path}: row {row}, column {name!r}: the cell is empty")
        return np.stack([table[name].to_numpy().astype(np.float64) for name in chosen], axis=1)

    def cells(index: int) -> list[Any]:
        name = schema.names[index]
        return _guard(path, lambda: pq.ParquetFile(path).read(columns=[name]))[name].to_pylist()

    return Table(tuple(schema.names), read, cells=cells)


READERS: dict[str, Callable[[str], Table]] = {".npy": read_npy, ".npz": read_npz, ".csv": read_csv, ".parquet": read_parquet}


def read_table(path: str) -> Table:
    """The table at `path`, by its suffix. Raises DataError where there is no such file or no such format."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in READERS:
        raise DataError(f"{path}: expected a {', '.join(READERS)} file")
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such file")
    return READERS[suffix](path)


def _guard(path: str, read: Callable[[], Any], where: str = "") -> Any:
    """`read()`, with what the libraries raise for an unreadable file turned into a DataError that names it."""
    try:
        return read()
    except (OSError, ValueError, EOFError, KeyError, csv.Error, zipfile.BadZipFile) as error:
        if "pickle" in str(error):
            raise DataError(f"{path}: {where}holds Python objects; expected real numbers (pickled data is never loaded)") from None
        raise DataError(f"{path}: {where}cannot be read: {error}") from error


def _numpy_load(path: str, kind: type) -> Any:
    loaded = _guard(path, lambda: np.load(path, allow_pickle=False))
    if not isinstance(loaded, kind):
        raise DataError(f"{path}: the content is not that of a {os.path.splitext(path)[1]} file")
    return loaded


def _array(path: str, where: str, array: np.ndarray, prefix: str = "") -> Table:
    if array.dtype.kind not in "buif":
        raise DataError(f"{path}: {where}dtype {array.dtype}; expected real numbers")
    if array.ndim != 2:
        hint = "; for one column reshape to (n, 1)" if array.ndim == 1 else ""
        raise DataError(f"{path}: {where}shape {array.shape}; expected two axes, (rows, columns){hint}")
    return Table(tuple(prefix + name for name in _numbered(array.shape[1])), lambda columns: array[:, list(columns)])


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _unique(path: str, names: tuple[str, ...]) -> None:
    for j, name in enumerate(names):
        if name in names[:j]:
            raise DataError(f"{path}: columns {names.index(name)} and {j} are both named {name!r}")


def _rows(path: str) -> Any:
    """Rows of a csv file as lists of cells, blank lines left out."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        yield from (cells for cells in csv.reader(file) if cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
