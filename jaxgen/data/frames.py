"""DataFrames of any library that narwhals knows, such as pandas and polars, as tables, and tables as DataFrames; and parquet."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxgen.data.cells import is_missing
from jaxgen.data.tables import DataError, MissingExtra, Table, Unusable, guard, unique


def is_frame(value: object) -> bool:
    """Return whether a value is a DataFrame: something with columns that is neither a path nor an array."""
    return hasattr(value, "columns") or hasattr(value, "column_names")


def read_frame(frame: Any, source: str = "the DataFrame") -> Table:
    """Open a DataFrame of pandas, polars, pyarrow or another library that narwhals reads.

    Args:
        frame: The DataFrame.
        source: What messages call it.

    Raises:
        MissingExtra: narwhals is not installed.
        DataError: It is no DataFrame, or two columns have one name.
    """
    nw = _narwhals(source)
    try:
        table = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise DataError(f"{source}: <{type(frame).__name__}>; accepted: a DataFrame of pandas, polars or pyarrow.") from None
    except Exception as error:
        raise DataError(f"{source}: cannot be read ({error}); accepted: a DataFrame whose columns have different names.") from None
    names = unique(source, [str(name) for name in table.columns])
    library = str(table.implementation.name).lower()
    columns = [table.get_column(name) for name in table.columns]
    dtypes = tuple(
        str(frame[name].dtype) if library == "pandas" else str(column.dtype) for name, column in zip(table.columns, columns, strict=True)
    )
    return Table(source, names, lambda j: guard(source, lambda: _cells(columns[j])), None, dtypes, library)


def read_parquet(path: str) -> Table:
    """Read a .parquet file. Raises MissingExtra without pyarrow or narwhals."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra(f'{path}: pyarrow is not installed; accepted: an environment with it, pip install "jaxgen[data]".') from None
    names = unique(path, guard(path, lambda: pq.read_schema(path)).names)
    table = read_frame(guard(path, lambda: pq.ParquetFile(path).read()), path)
    return table._replace(names=names, dtypes=(), frame="")


def write_frame(columns: Mapping[str, np.ndarray], library: str = "pandas", dtypes: Sequence[str] = ()) -> Any:
    """Make a DataFrame of cells.

    Args:
        columns: The cells of each column.
        library: The library of the DataFrame.
        dtypes: The dtype of each column as `read_frame` found it, "" to leave it; () leaves all.

    Raises:
        MissingExtra: narwhals or the library is not installed.
    """
    nw = _narwhals("the DataFrame")
    typed = dict(zip(columns, [*dtypes, *[""] * len(columns)], strict=False))
    listed = {name: _listed(cells, typed[name]) for name, cells in columns.items()}
    try:
        frame = nw.from_dict(listed, backend=library)
    except (ImportError, ValueError, TypeError):
        raise MissingExtra(f"to_frame: library={library!r}; accepted: a library of DataFrames that is installed.") from None
    for name, dtype in typed.items():
        if dtype and library != "pandas":
            frame = frame.with_columns(_dtype_of(nw, nw.col(name), dtype))
    native = frame.to_native()
    if library == "pandas":
        for name, dtype in typed.items():
            if dtype:
                native[name] = native[name].astype(dtype)
    return native


def fill_frame(frame: Any, gone: Mapping[str, np.ndarray], cells: Mapping[str, np.ndarray]) -> Any:
    """Return a copy of a DataFrame with cells in the place of those that are missing; all others, the dtypes and the index stay.

    Args:
        frame: The DataFrame.
        gone: Which cells of each column are missing, `(n,)` bool.
        cells: The cells of these columns, of which those that are missing are taken.

    Raises:
        MissingExtra: narwhals is not installed.
    """
    nw = _narwhals("the DataFrame")
    table = nw.from_native(frame, eager_only=True)
    for name, away in gone.items():
        column = table.get_column(name)
        if not away.any():
            continue
        values = column.to_list()
        given = [value for value, missing in zip(values, away, strict=True) if not missing]
        new = _like(given, cells[name])
        merged = [there if missing else value for value, missing, there in zip(values, away, new, strict=True)]
        if str(table.implementation.name).lower() == "pandas":
            native = table.to_native()
            native = native.assign(**{name: type(native[name])(merged, index=native.index, dtype=native[name].dtype)})
            table = nw.from_native(native, eager_only=True)
        else:
            table = table.with_columns(nw.new_series(name, merged, column.dtype, backend=table.implementation))
    return table.to_native()


def _like(given: Sequence[Any], cells: np.ndarray) -> list[Any]:
    """Return cells as Python values of the kind that a column has: text for labels and written dates, booleans, numbers."""
    if given and isinstance(given[0], bool | np.bool_):
        return [str(cell) == "True" for cell in cells]
    if cells.dtype.kind == "M":
        written = bool(given) and isinstance(given[0], str)
        return np.datetime_as_string(cells).tolist() if written else cells.astype("M8[us]").tolist()
    return cells.tolist()


def write_parquet(path: str, columns: Mapping[str, np.ndarray]) -> None:
    """Write cells as a .parquet file.

    Args:
        path: The file.
        columns: The cells of each column.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra(f'{path}: pyarrow is not installed; accepted: an environment with it, pip install "jaxgen[data]".') from None
    pq.write_table(pa.table({name: _listed(cells) for name, cells in columns.items()}), path)


def _narwhals(source: str) -> Any:
    try:
        import narwhals
    except ImportError:
        raise MissingExtra(f'{source}: narwhals is not installed; accepted: an environment with it, pip install "jaxgen[data]".') from None
    return narwhals


def _cells(column: Any) -> np.ndarray:
    """Return numbers, booleans or dates as arrays of them, and everything else as text."""
    values = column.to_numpy()
    kind = values.dtype.kind
    if kind in "buiM":
        return values
    if kind == "f":
        return values.astype(np.float64)
    given = [None if is_missing(cell) else cell for cell in values]
    if column.dtype.is_numeric():
        return np.array([np.nan if cell is None else float(cell) for cell in given])
    if column.dtype.is_nested() or kind not in "OUST":
        raise Unusable(f"column {column.name!r} is of type {column.dtype}")
    text = np.empty(len(given), object)
    text[:] = [None if cell is None else str(cell) for cell in given]
    return text


def _listed(cells: np.ndarray, dtype: str = "") -> Any:
    if dtype.lower().startswith("bool"):
        return [None if cell is None else cell == "True" for cell in cells.tolist()]
    return cells.tolist() if cells.dtype.kind == "O" else cells


def _dtype_of(nw: Any, column: Any, dtype: str) -> Any:
    """Cast a column to a dtype given by its narwhals name, such as "Int64" or "Datetime(time_unit='us', time_zone=None)"."""
    name, _, rest = dtype.partition("(")
    if name == "Datetime":
        unit = next((unit for unit in ("ns", "us", "ms", "s") if f"'{unit}'" in rest), "us")
        return column.cast(nw.Datetime(unit))
    return column.cast(getattr(nw, name)) if not rest and hasattr(nw, name) else column
