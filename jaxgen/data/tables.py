"""A table that has been opened: its names, and one column of cells after another; and the errors of all readers."""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from jaxgen.data.cells import number_of

T = TypeVar("T")


class DataError(ValueError):
    """Say that data cannot be used. The message names the file and, if there is one, the row (from 1, without the header) and the column."""


class Unusable(DataError):
    """Say why one column cannot be used, without the file's name: the messages of all columns are joined into one."""


class MissingExtra(DataError, ImportError):
    """Say that the library for a format, an optional extra, is not installed."""


class Table(NamedTuple):
    """Hold a table whose columns are read only when they are asked for.

    Attributes:
        source: The file, for messages; "the DataFrame" for one.
        names: The names of the columns, which differ.
        column: The index of a column to its cells `(n,)`: numbers with NaN for what is missing, booleans, dates (datetime64), or objects:
            text, and None for what is missing.
        cond: Condition columns that the file keeps apart, as an .npz with `cond` does.
        dtypes: The name of each column's dtype in a DataFrame; () for a file.
        frame: The library of the DataFrame, such as "pandas"; "" for a file.
        dialect: The separator and the decimal sign of a .csv file.
    """

    source: str
    names: tuple[str, ...]
    column: Callable[[int], np.ndarray]
    cond: "Table | None" = None
    dtypes: tuple[str, ...] = ()
    frame: str = ""
    dialect: tuple[str, str] = (",", ".")

    def read(self, columns: Sequence[int]) -> np.ndarray:
        """Return columns of numbers `(n, len(columns))` float64, NaN where a cell is missing.

        Args:
            columns: The indices of the columns.

        Raises:
            DataError: A cell is no number; the message names the file, the row and the column.
        """
        return np.stack([self._numbers(j) for j in columns], axis=1)

    def _numbers(self, index: int) -> np.ndarray:
        cells = self.column(index)
        if cells.dtype.kind in "buif":
            return cells.astype(np.float64)
        name = self.names[index]
        if cells.dtype.kind != "O":
            raise DataError(f"{self.source}: column {name!r} is of dtype {cells.dtype}; accepted: real numbers.")
        row, cell = next((i, cell) for i, cell in enumerate(cells, start=1) if cell is not None and number_of(str(cell)) is None)
        raise DataError(f"{self.source}: row {row}, column {name!r}: {cell!r} is not a number; accepted: numbers.")


def guard(path: str, read: Callable[[], T], where: str = "") -> T:
    """Return `read()`, and turn whatever a library raises for an unreadable file into one line.

    Args:
        path: The file.
        read: A function without arguments that reads from it.
        where: The part of the file, for the message.

    Returns:
        What `read` returns.

    Raises:
        DataError: `read` raised an exception of any kind: damaged files make libraries raise nearly every one, MemoryError included.
    """
    try:
        return read()
    except DataError:
        raise
    except Exception as error:
        if "pickle" in str(error):
            raise DataError(f"{path}: {where}holds Python objects; accepted: real numbers (pickled data is never loaded).") from None
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: {where}cannot be read ({said}); accepted: an undamaged table.") from error


def unique(source: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of columns as a tuple.

    Args:
        source: The file, for the message.
        names: The names.

    Raises:
        DataError: Two columns have the same name.
    """
    first: dict[str, int] = {}
    for j, name in enumerate(names):
        if name in first:
            raise DataError(f"{source}: columns {first[name]} and {j} are both named {name!r}; accepted: different names.")
        first[name] = j
    return tuple(names)


def read_npy(path: str) -> Table:
    """Read a .npy file: one (n, d) array of real numbers, whose columns are named by their index."""
    return _array(path, "", _numpy_load(path, np.ndarray))


def read_npz(path: str) -> Table:
    """Read a .npz file: an array `x` (n, d) and optionally `cond` (n, c), or one array of any name; `columns` may hold the names."""
    with _numpy_load(path, np.lib.npyio.NpzFile) as archive:
        keys = list(archive.files)
        arrays = {key: guard(path, lambda key=key: archive[key], f"array {key}: ") for key in keys}
    strange = [key for key in keys if not isinstance(arrays[key], np.ndarray)]
    if strange:
        raise DataError(f"{path}: the member {strange[0]!r} is no array; accepted: an undamaged .npz file.")
    named = {key: _names(path, key, arrays.pop(key)) for key in ("columns", "cond_columns") if key in arrays and len(arrays) > 1}
    keys = list(arrays)
    if not keys:
        raise DataError(f"{path}: holds no array; accepted: x and optionally cond.")
    main = "x" if "x" in keys else keys[0]
    if len(keys) > 1 and set(keys) != {"x", "cond"}:
        raise DataError(f"{path}: holds the arrays {', '.join(keys)}; accepted: x and optionally cond, or a single array.")
    x = _array(path, f"array {main}: ", arrays[main], names=named.get("columns"))
    if "cond" not in arrays or main == "cond":
        return x
    cond = _array(path, "array cond: ", arrays["cond"], prefix="cond", names=named.get("cond_columns"))
    rows, cond_rows = len(arrays["x"]), len(arrays["cond"])
    if rows != cond_rows:
        raise DataError(f"{path}: array x has {rows} rows and cond has {cond_rows}; accepted: one condition per row.")
    return x._replace(cond=cond)


def numbered(count: int) -> tuple[str, ...]:
    """Return the names of columns that have none: "0", "1", ..."""
    return tuple(map(str, range(count)))


def _names(path: str, key: str, array: np.ndarray) -> tuple[str, ...]:
    if array.ndim != 1 or array.dtype.kind != "U":
        raise DataError(f"{path}: array {key}: dtype {array.dtype} of shape {array.shape}; accepted: the names of the columns, as text.")
    return unique(path, [str(name) for name in array])


def _numpy_load(path: str, kind: type) -> Any:
    loaded = guard(path, lambda: np.load(path, allow_pickle=False))
    if not isinstance(loaded, kind):
        raise DataError(f"{path}: the content is of another format; accepted: that of a {os.path.splitext(path)[1]} file.")
    return loaded


def _array(path: str, where: str, array: np.ndarray, prefix: str = "", names: tuple[str, ...] | None = None) -> Table:
    if array.dtype.kind not in "buif":
        raise DataError(f"{path}: {where}dtype {array.dtype}; accepted: real numbers.")
    if array.ndim != 2:
        hint = "; for one column reshape to (n, 1)" if array.ndim == 1 else ""
        raise DataError(f"{path}: {where}shape {array.shape}; accepted: two axes, (rows, columns){hint}.")
    named = tuple(prefix + name for name in numbered(array.shape[1])) if names is None else names
    if len(named) != array.shape[1]:
        raise DataError(f"{path}: {where}has {array.shape[1]} columns and {len(named)} names; accepted: one name for each column.")
    return Table(path, named, lambda j: array[:, j])
