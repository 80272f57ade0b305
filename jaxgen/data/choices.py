"""Which columns of a table are the event, which are the condition, and which are left out."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from jaxgen import checks
from jaxgen.data.tables import DataError, Table

Columns: TypeAlias = Sequence[str | int] | str | int | None


class Choice(NamedTuple):
    """Hold what a user said about the columns of a table, by name or index.

    Attributes:
        columns: The event's columns; None takes every column that is neither a condition nor dropped.
        cond_columns: The condition's columns.
        discrete: Columns that hold categories, as text or numbers.
        dates: Columns that hold dates.
        drop: Columns that are left out.
    """

    columns: Columns = None
    cond_columns: Columns = None
    discrete: Columns = None
    dates: Columns = None
    drop: Columns = None


EVERYTHING = Choice()
"""Every column is one of the event."""


class Chosen(NamedTuple):
    """Hold the indices of the event's and the condition's columns, and the types that the user gave, by index."""

    event: list[int]
    cond: list[int]
    kinds: dict[int, str]


def choose(table: Table, choice: Choice) -> Chosen:
    """Find the columns that a user chose.

    Args:
        table: The table.
        choice: What the user said.

    Raises:
        DataError: A name is unknown, a column has two roles or is chosen twice, or none is left for the event.
    """
    source = table.source
    if table.cond is not None and choice.cond_columns is not None:
        raise DataError(
            f"{source}: cond_columns={choice.cond_columns!r}; accepted: None, as the file holds its condition as the array cond; leave it out."
        )
    role = {name: _indices(name, table, getattr(choice, name)) for name in Choice._fields}
    cond, drop = role["cond_columns"], role["drop"]
    event = [j for j in range(len(table.names)) if j not in cond and j not in drop] if choice.columns is None else role["columns"]
    for one, other in (("columns", "cond_columns"), ("columns", "drop"), ("cond_columns", "drop"), ("discrete", "dates")):
        both = [table.names[j] for j in role[one] if j in role[other]]
        if both:
            raise DataError(f"{source}: column {both[0]!r} is in {one} and in {other}; accepted: one or the other.")
    for name in ("discrete", "dates"):
        unused = [table.names[j] for j in role[name] if j not in event and j not in cond]
        if unused:
            raise DataError(
                f"{source}: {name}: column {unused[0]!r} is neither of the event nor of the condition; accepted: columns of one or the other."
            )
    if not event:
        raise DataError(f"{source}: no column is left for the event; accepted: at least one.")
    return Chosen(event, cond, {**dict.fromkeys(role["discrete"], "category"), **dict.fromkeys(role["dates"], "date")})


def _indices(argument: str, table: Table, columns: Columns) -> list[int]:
    """Return indices of columns given by name or index. A text that is no name but a whole number is an index, as on a command line."""
    chosen: list[int] = []
    place = {name: j for j, name in enumerate(table.names)}
    for column in () if columns is None else [columns] if isinstance(columns, str | int) else columns:
        if isinstance(column, str) and column in place:
            index = place[column]
        elif isinstance(column, str) and column.isdecimal():
            index = int(column)
        else:
            index = -1 if isinstance(column, str | bool) else int(column)
        if not 0 <= index < len(table.names):
            raise DataError(
                f"{table.source}: {argument}: no column {column!r}; accepted: a name among {', '.join(map(repr, table.names))} "
                f"or an index from 0 to {len(table.names) - 1}.{checks.closest(column, table.names)}"
            )
        if index in chosen:
            raise DataError(f"{table.source}: {argument}: column {table.names[index]!r} is chosen twice; accepted: once.")
        chosen.append(index)
    return chosen
