"""Cells that are known of a row: which ones can be, and how they go to the coordinates of a model that answers questions."""

import math
from collections.abc import Callable, Sequence

import jax
import numpy as np

from jaxgen.data import Column, Schema
from jaxgen.data.cells import is_missing
from jaxgen.data.columns import WHOLE
from jaxgen.data.tables import Table, Unusable
from jaxgen.training import Entry
from jaxgen.transform import Questions, Transform
from jaxgen.zoo.marginals import Marginal


def as_gaps(schema: Schema, x: np.ndarray) -> np.ndarray:
    """Return rows whose missing categories are NaN, as missing numbers are, and not codes of their own.

    Args:
        schema: The columns.
        x: Rows `(n, d)` in the units of the data.
    """
    gone = [len(column.labels) - 1 if column.missing and column.kind == "category" else np.nan for column in schema.event]
    return np.where(x == np.asarray(gone), np.nan, x)


def takes_gaps(entry: Entry) -> bool:
    """Return whether an entry was trained on all subsets of its columns, so that NaN in an event is a value that is not known."""
    questions = entry.model.transform.hooks.questions
    return questions is not None and questions.through is None


def partial_rows(schema: Schema, table: Table) -> np.ndarray:
    """Return the rows of a table `(n, d)` float64 in the units of the data, NaN where a cell is missing, in whichever column.

    Args:
        schema: The columns, as `schema_of` returns them for a trained model.
        table: A table with these columns.

    Raises:
        DataError: A column is absent, or a cell is neither missing nor one that can be.
    """
    gappy = schema._replace(event=tuple(map(_with_gaps, schema.event)))
    return as_gaps(gappy, gappy.encode(table))


def _with_gaps(column: Column) -> Column:
    labels = (*column.labels, "") if column.kind == "category" and not column.missing else column.labels
    return column._replace(missing=True, labels=labels)


def without_gaps(column: Column) -> Column:
    """Return a column as it is modelled by a model that answers questions: a gap is neither a label nor a number of its own."""
    return column._replace(missing=False, labels=tuple(label for label in column.labels if label)) if column.missing else column


def known_in(partial: Transform) -> Callable[[jax.Array], jax.Array]:
    """Return the map from a partly known row to coordinates, NaN for NaN: each known cell becomes the middle of what it stands for.

    Args:
        partial: The transform from coordinates to rows, to which NaN is a cell that nobody asks for.
    """
    inverse = partial.inverse
    assert inverse is not None
    return lambda row: inverse((), row, None, None).z


def questions_of(schema: Schema, marginals: Sequence[Marginal]) -> Questions:
    """Return the names of a table's columns and the reader of their cells.

    Args:
        schema: The columns.
        marginals: The marginal of each column of the event, whose support its values have.

    >>> from jaxgen.data import Column
    >>> from jaxgen.zoo.marginals import affine_marginal
    >>> colour = Column("colour", "category", ("blue", "red"))
    >>> questions_of(Schema((colour,)), [affine_marginal(0.0, 1.0)]).number(0, "red")
    1.0
    """

    def number(place: int, value: object) -> float:
        column = without_gaps(schema.event[place])
        if is_missing(value):
            raise ValueError(f"accepted: {_accepted(column)}; leave out what is not known")
        try:
            found = float(column.numbers(_one_cell(value))[0])
        except Unusable:
            raise ValueError(f"accepted: {_accepted(column)}") from None
        if column.kind in ("date", "time") and not column.low <= found <= column.high:
            raise ValueError(f"accepted: {_accepted(column)}")
        if column.kind != "category" and not _supported(marginals[place], found + 0.5 * (column.kind in WHOLE)):
            raise ValueError(f"accepted: a number {marginals[place]}, the support of column {column.name!r}")
        return found

    return Questions(tuple(column.name for column in schema.event), number)


def _one_cell(value: object) -> np.ndarray:
    cell = np.empty(1, object)
    cell[0] = value
    return cell


def _accepted(column: Column) -> str:
    if column.kind == "category":
        return ", ".join(map(repr, column.labels[:20])) + (", ..." if len(column.labels) > 20 else "")
    if column.kind in ("date", "time"):
        first, last = (str(day) for day in column.cells(np.array([column.low, column.high])))
        return f"a date from {first} to {last}, as in the data that the model was trained on"
    return "a whole number" if column.kind == "integer" else "a finite number"


def _supported(marginal: Marginal, value: float) -> bool:
    if marginal.family not in ("above", "between"):
        return True
    low, size = marginal.theta[2], math.exp(marginal.theta[3])
    return low < value and (marginal.family == "above" or value < low + size)
