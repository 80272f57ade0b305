"""Samples as a DataFrame with the columns and dtypes of the data."""

from typing import Any

from numpy.typing import ArrayLike

from jaxgen.data.frames import read_frame, write_frame
from jaxgen.data.schema import Schema


def to_frame(schema: Schema, x: ArrayLike, cond: Any = None, library: str | None = None) -> Any:
    """Return events in the units of the data, such as samples, as a DataFrame like the one that the data came from.

    Args:
        schema: The description of the columns: `Dataset.schema`, or `jaxgen.zoo.schema_of(entry)` of a model that was loaded.
        x: Events `(n, d)` in the units of the data.
        cond: A DataFrame of conditions `(n, ...)`, whose columns are put beside the events; None leaves conditions out.
        library: The library of the DataFrame, such as "polars"; None takes that of the data, or pandas for a file.

    Returns:
        The DataFrame: names, order and dtypes are the data's, with labels, dates and whole numbers; a missing cell is null.

    Raises:
        MissingExtra: The library is not installed.
        DataError: `x` has another number of columns, or a code does not exist.

    >>> import numpy as np
    >>> from jaxgen.data import load, to_frame
    >>> from pandas import DataFrame
    >>> data = load(DataFrame({"age": np.arange(20), "colour": ["red", "blue"] * 10}))
    >>> to_frame(data.schema, data.units.restore(data.test)).dtypes.tolist()
    [dtype('int64'), <StringDtype(na_value=nan)>]
    """
    columns = schema.rows(x, None if cond is None else read_frame(cond, "cond"))
    chosen = library or schema.frame or "pandas"
    return write_frame(columns, chosen, schema.dtypes(list(columns)) if chosen == schema.frame else ())
