"""The columns of a table as a whole: what each is, how rows become numbers, and how numbers become rows again."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgen.data.cells import is_missing
from jaxgen.data.columns import KINDS, Column
from jaxgen.data.tables import DataError, Table, Unusable


class Schema(NamedTuple):
    """Hold the description of a table: it is found from the data once, stored with a trained model and used for every further file.

    Attributes:
        event: The columns that are modelled, in the order of an event's coordinates.
        cond: The columns of the condition.
        constant: Columns with a single value, which are no part of the event and come back in samples.
        order: The names of all these columns in the order of the source.
        frame: The library of the DataFrame that the table came from; "" for a file.
        dialect: The separator and the decimal sign of the .csv file that the table came from, in which samples are written again.
    """

    event: tuple[Column, ...]
    cond: tuple[Column, ...] = ()
    constant: tuple[Column, ...] = ()
    order: tuple[str, ...] = ()
    frame: str = ""
    dialect: tuple[str, str] = (",", ".")

    def encode(self, table: Table) -> np.ndarray:
        """Return the rows of a table as events `(n, d)` float64 in the units of the data: numbers, codes, days, NaN for what is missing.

        Args:
            table: A table that has the columns of the event by name, or as many columns without names.

        Raises:
            DataError: A column is absent or a cell cannot be used; one message names all such columns.
        """
        return np.stack(_each(table.source, [lambda c=c, j=j: c.numbers(table.column(j)) for c, j in self._found(table, self.event)]), 1)

    def encode_cond(self, table: Table) -> np.ndarray:
        """Return the conditions of a table `(n, c)` float64 in the units of the data, categories one-hot.

        Args:
            table: A table that has the columns of the condition by name, or as many columns without names.

        Raises:
            DataError: A column is absent or a cell cannot be used; one message names all such columns.
        """
        pairs = self._found(table, self.cond)
        return np.concatenate(_each(table.source, [lambda c=c, j=j: features(c, c.numbers(table.column(j))) for c, j in pairs]), 1)

    def rows(self, x: ArrayLike, cond: Table | None = None) -> dict[str, np.ndarray]:
        """Return events in the units of the data as columns of cells, in the order of the source.

        Args:
            x: Events `(n, d)`, such as samples.
            cond: The table of their conditions, whose cells are put beside the events; None leaves conditions out.

        Raises:
            DataError: A code does not exist, or there are not as many conditions as events.
        """
        x = np.asarray(x, np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.event):
            raise DataError(f"rows: x has shape {x.shape}; accepted: (n, {len(self.event)}), a coordinate for each column of the event.")
        named = {column.name: column.cells(x[:, j]) for j, column in enumerate(self.event)}
        named |= {column.name: _constant(column, len(x)) for column in self.constant}
        if cond is not None:
            beside = {column.name: cond.column(j) for column, j in self._found(cond, self.cond)}
            if any(len(cells) != len(x) for cells in beside.values()):
                raise DataError(f"rows: cond has another number of rows than x, {len(x)}; accepted: a condition for each event.")
            named = {**beside, **named}
        order = [name for name in self.order if name in named] or list(named)
        return {name: named[name] for name in order}

    def dtypes(self, names: Sequence[str]) -> list[str]:
        """Return the dtype that each of these columns had in the DataFrame; "" for a column of a file."""
        known = {column.name: column.dtype for column in (*self.event, *self.cond, *self.constant)}
        return [known.get(name, "") for name in names]

    def as_json(self) -> dict[str, Any]:
        """Return the schema as JSON can hold it."""
        parts = {part: [_plain(column) for column in getattr(self, part)] for part in ("event", "cond", "constant")}
        return {**parts, "order": list(self.order), "frame": self.frame, "dialect": list(self.dialect)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Schema":
        """Return the schema that `as_json` wrote. Raises ValueError for anything else."""
        try:
            event, cond, constant = (tuple(_column(c) for c in value[part]) for part in ("event", "cond", "constant"))
            separator, decimal = value["dialect"]
            return Schema(event, cond, constant, tuple(value["order"]), str(value["frame"]), (separator, decimal))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"Schema.from_json: value with {error!r}; accepted: what Schema.as_json returned.") from None

    def _found(self, table: Table, columns: Sequence[Column]) -> list[tuple[Column, int]]:
        """Pair columns with their places in a table, by name, or by order if the table has no names of its own."""
        place = {name: j for j, name in enumerate(table.names)}
        names = [column.name for column in columns]
        lacking = [name for name in names if name not in place]
        if not lacking:
            return [(column, place[column.name]) for column in columns]
        if len(table.names) == len(columns) and all(name.removeprefix("cond").isdecimal() for name in table.names):
            return list(zip(columns, range(len(columns)), strict=True))
        raise DataError(
            f"{table.source}: has no column {', '.join(map(repr, lacking))}; accepted: a table with the columns "
            f"{', '.join(map(repr, names))}. This one has {', '.join(map(repr, table.names))}."
        )


def features(column: Column, numbers: np.ndarray) -> np.ndarray:
    """Return what a model reads of a condition column `(n, k)`: one-hot codes, a number, or a number and whether it is missing.

    Args:
        column: The column.
        numbers: Its numbers `(n,)`, NaN where one is missing; the middle of the column's range stands in for it.
    """
    if column.categories is not None:
        return column.categories.one_hot(numbers.astype(int))
    gone = np.isnan(numbers)
    if not column.missing:
        return numbers[:, None]
    middle = 0.5 * (column.low + column.high)
    return np.stack([np.where(gone, middle, numbers), gone.astype(np.float64)], 1)


def feature_names(column: Column) -> list[str]:
    """Return the names of the numbers that `features` makes of a condition column."""
    if column.kind == "category":
        return [f"{column.name}={label or 'missing'}" for label in column.labels]
    return [column.name, f"{column.name}=missing"] if column.missing else [column.name]


def table_of(cells: Mapping[str, Sequence[object]], source: str) -> Table:
    """Open columns of cells, given as a mapping from names, as a table.

    Args:
        cells: The cells of each column.
        source: What messages call the table.
    """
    columns = [_as_cells(values) for values in cells.values()]
    return Table(source, tuple(cells), lambda j: columns[j])


def joined(source: str, problems: Sequence[str], accepted: str) -> DataError:
    """Return one error for all the columns of a table that cannot be used.

    Args:
        source: The file, for the message.
        problems: What is wrong, a clause for each column; one that says what it accepts is not followed by `accepted`.
        accepted: What would be accepted.
    """
    if len(problems) == 1:
        return DataError(f"{source}: {problems[0]}" + ("." if "accepted:" in problems[0] else f"; accepted: {accepted}."))
    listed = "; ".join(problem.split("; accepted:")[0] for problem in problems)
    return DataError(f"{source}: {len(problems)} columns cannot be used: {listed}; accepted: {accepted}.")


def _each(source: str, makers: Sequence[Any]) -> list[np.ndarray]:
    made, problems = [], []
    for make in makers:
        try:
            made.append(make())
        except Unusable as error:
            problems.append(str(error))
    if problems:
        raise joined(source, problems, "cells like those that the model was trained on")
    lengths = {len(part) for part in made}
    if lengths == {0}:
        raise DataError(f"{source}: has no rows; accepted: at least one.")
    return made


def _constant(column: Column, num: int) -> np.ndarray:
    if column.labels:
        return np.full(num, column.labels[0], object)
    return np.full(num, int(column.low) if column.low == int(column.low) else column.low)


def _as_cells(values: Sequence[object]) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind in "buifM":
        return array
    numbers = np.empty(len(values), object)
    numbers[:] = [None if is_missing(value) else value for value in values]
    return numbers


def _plain(column: Column) -> dict[str, Any]:
    return {**column._asdict(), "labels": list(column.labels)}


def _column(value: Mapping[str, Any]) -> Column:
    if value["kind"] not in KINDS:
        raise KeyError(value["kind"])
    return Column(**{**value, "labels": tuple(value["labels"])})
