"""Tables as people have them, with gaps, labels and dates: models of any subset of their columns, which fill what is missing."""

from typing import Any

import numpy as np

from jaxgen import zoo
from jaxgen.data import Column, Dataset, Schema
from jaxgen.data.files import load_table
from jaxgen.data.frames import is_frame, read_frame
from jaxgen.data.tables import Table, numbered
from jaxgen.estimator.auto import AUTO, Settings, fit_split
from jaxgen.estimator.tables import FEWEST_HELD_OUT, MOST_HELD_OUT
from jaxgen.training import Entry, Fitted

PARTLY = "tabular"
"""What "auto" is for a table with gaps or labels."""


def names_that_answer() -> tuple[str, ...]:
    """Return the names of the entries that train on gaps and answer any question."""
    return tuple(name for name in zoo.NAMES if "any_subset" in zoo.describe(name))


def has_gaps_or_labels(x: Any) -> bool:
    """Return whether a table has a missing value, or a column that holds no numbers.

    Args:
        x: Rows `(n, d)`, an array or a DataFrame.
    """
    try:
        if is_frame(x):
            table = read_frame(x)
            columns = [table.column(j) for j in range(len(table.names))]
            return any(cells.dtype.kind not in "uif" or bool(np.isnan(cells.astype(np.float64)).any()) for cells in columns)
        rows = np.asarray(x)
        return rows.dtype.kind in "fO" and bool(np.isnan(rows.astype(np.float64)).any())
    except (TypeError, ValueError):
        # What is no table, or cannot be read here, is refused by who fits it.
        return False


def fit_partly(x: Any, settings: Settings) -> tuple[Entry, Fitted]:
    """Fit a model of any subset of the columns of a table.

    Args:
        x: Rows `(n, d)`: an array of numbers with NaN for gaps, or a DataFrame, whose columns are found.
        settings: The model and how it is trained; "auto" is `tabular`.

    Returns:
        The entry, whose events have the units of the table, and what was fitted.

    Raises:
        ValueError: The entry cannot train on gaps, or a column cannot be used.

    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(5.0, 2.0, (40, 2))
    >>> rows[3, 1] = np.nan
    >>> entry, fitted = fit_partly(rows, Settings(num_steps=2, options={"width": 8, "depth": 1}))
    >>> entry.card.config["options"]["any_subset"]
    True
    """
    name = PARTLY if settings.name == AUTO else settings.name
    if name not in names_that_answer():
        accepted = ", ".join((AUTO, *names_that_answer()))
        raise ValueError(f"Estimator: name={name!r} with any_subset=True, missing values (NaN) or columns of labels; accepted: {accepted}.")
    data = _dataset(x, settings)
    prepared = zoo.prepare(name, data, **{**settings.options, "any_subset": True})
    enough = len(data.valid) >= FEWEST_HELD_OUT
    fitted = fit_split(prepared.entry, prepared.data.train, prepared.data.valid if enough else None, settings)
    return prepared.in_units(fitted)


def table_of(x: Any) -> Table:
    """Open a DataFrame, or an array whose columns have their indices for names.

    Args:
        x: Rows `(n, d)`.
    """
    if is_frame(x):
        return read_frame(x, "X")
    rows = np.asarray(x, np.float64)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"Estimator: X of shape {rows.shape}; accepted: (n, d) with n >= 1.")
    return Table("X", numbered(rows.shape[1]), lambda j: rows[:, j])


def _dataset(x: Any, settings: Settings) -> Dataset:
    """Return the rows split into those that train and those that validate; an array's columns are all numbers."""
    table = table_of(x)
    schema = None if is_frame(x) else _of_numbers(np.stack([table.column(j) for j in range(len(table.names))], 1))
    data = load_table(table, "X", schema=schema, seed=settings.seed)
    rows = np.concatenate([data.train, data.valid, data.test])
    # No test rows are kept, as the caller has others.
    held_out = max(1, min(round(settings.held_out * len(rows)), MOST_HELD_OUT))
    order = np.random.default_rng([8, settings.seed]).permutation(len(rows))
    return data._replace(train=rows[order[held_out:]], valid=rows[order[:held_out]], test=rows[order[:1]])


def _of_numbers(rows: np.ndarray) -> Schema:
    if np.isinf(rows).any():
        raise ValueError("Estimator: X contains infinity; accepted: numbers, with NaN for what is missing.")
    if np.isnan(rows).all(0).any():
        raise ValueError(f"Estimator: X has no value in column {int(np.argmax(np.isnan(rows).all(0)))}; accepted: columns with some.")
    ends = zip(np.nanmin(rows, 0).tolist(), np.nanmax(rows, 0).tolist(), strict=True)
    return Schema(tuple(Column(str(j), missing=True, low=low, high=high) for j, (low, high) in enumerate(ends)))
