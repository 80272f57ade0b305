"""The user's own tables: columns described, checked, split at random and standardised by the training rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgen import checks
from jaxgen.data.choices import EVERYTHING, Choice, Columns, choose
from jaxgen.data.columns import WHOLE, Column, find_column
from jaxgen.data.dataset import Dataset, Split, Units
from jaxgen.data.readers import READERS, read_table
from jaxgen.data.schema import Schema, feature_names, features, joined
from jaxgen.data.tables import DataError, MissingExtra, Table, Unusable

__all__ = ["SUFFIXES", "Columns", "DataError", "MissingExtra", "load_file", "load_table", "share"]

SUFFIXES = tuple(READERS)
FEWEST = 10
"""Rows below which an 80/10/10 split would leave a part empty."""
ACCEPTED = "columns of numbers, categories or dates; leave others out by drop (--drop), or name categories by discrete (--discrete)"


def load_file(path: str, choice: Choice = EVERYTHING, *, seed: int = 0, sizes: dict[str, int | None] | None = None) -> Dataset:
    """Load a .npy, .npz, .csv or .parquet table; see `load_table`.

    Args:
        path: The file.
        choice: What the user said about its columns.
        seed: The seed of the random split.
        sizes: The most rows of "train", "valid" and "test"; None takes the whole split.
    """
    return load_table(read_table(path), Path(path).stem, choice, seed=seed, sizes=sizes)


def described(table: Table, choice: Choice = EVERYTHING) -> tuple[Schema, np.ndarray]:
    """Describe the columns of a table.

    Args:
        table: The table.
        choice: What the user said about its columns.

    Returns:
        The description, and the events `(n, d)` float64 in the units of the source: numbers, codes, days, NaN for what is missing.

    Raises:
        DataError: A column cannot be used, or none varies. One message names all such columns.
    """
    return _found(table, choice)[:2]


def load_table(
    table: Table,
    name: str,
    choice: Choice = EVERYTHING,
    *,
    schema: Schema | None = None,
    seed: int = 0,
    sizes: dict[str, int | None] | None = None,
) -> Dataset:
    """Describe the columns of a table, split its rows at random and standardise them by the training rows.

    Args:
        table: The table.
        name: The name of the dataset.
        choice: What the user said about its columns.
        schema: The description of the columns, if it is known, as that of a trained model is; `choice` is then not read.
        seed: The seed of the random 80/10/10 split.
        sizes: The most rows of "train", "valid" and "test"; None takes the whole split.

    Returns:
        A `Dataset` of events `(n, d)`, whose `schema` describes the columns and whose `units` hold the affine map back. Categories are codes
        0.0, 1.0, ... without standardisation in the event, and one-hot in the condition. Dates are days. A missing number is NaN. Constant
        columns are no part of the event.

    Raises:
        DataError: A column cannot be used, is unknown or in both roles, or the table is too short. One message names all such columns.
    """
    found = _found(table, choice) if schema is None else _known(table, schema)
    total = len(found.x)
    if total < FEWEST:
        raise DataError(f"{table.source}: has {total} rows; accepted: at least {FEWEST}, to train, validate and test on.")
    rows = share(total, seed, sizes or {})
    marked = [column.kind == "category" for column in found.schema.event]
    cond_names = [feature for column in found.schema.cond for feature in feature_names(column)]
    problems: list[str] = []
    affine = _affine([column.name for column in found.schema.event], found.x, rows["train"], marked, problems)
    cond_affine = None, None
    if found.cond is not None:
        cond_affine = _affine(cond_names, found.cond, rows["train"], ["=" in name for name in cond_names], problems)
    _raise(table, problems)
    whole = tuple(column.name for column in found.schema.event if column.kind in WHOLE)
    return _split(name, Units(*affine, *cond_affine, whole), found, rows)


def share(total: int, seed: int, sizes: dict[str, int | None]) -> dict[str, np.ndarray]:
    """Split `total` rows at random into "train" (80 %), "valid" and "test" (10 % each, rounded).

    Args:
        total: The number of rows.
        seed: The seed; with `total` it determines the split of each row, whatever the sizes.
        sizes: The most rows of each split; a split that is absent or None keeps all its rows.

    Returns:
        The indices of the rows by split.

    >>> {split: len(rows) for split, rows in share(100, 0, {"train": 7}).items()}
    {'train': 7, 'valid': 10, 'test': 10}
    """
    order = np.random.default_rng([4, seed]).permutation(total)
    held_out = round(total / 10)
    parts = {"valid": order[:held_out], "test": order[held_out : 2 * held_out], "train": order[2 * held_out :]}
    return {split: parts[split][: sizes.get(split)] for split in ("train", "valid", "test")}


def whole(name: str, value: object, least: int) -> None:
    """Refuse a value that is no integer of at least `least`.

    Args:
        name: What the number is, for the message.
        value: The number.
        least: The smallest number accepted.

    Raises:
        DataError: `value` is no integer of at least `least`.
    """
    try:
        checks.count(name, value, least)
    except ValueError as error:
        raise DataError(str(error)) from None


class _Described(NamedTuple):
    """The columns of one role with their numbers, and what is wrong with those that cannot be used."""

    columns: list[Column]
    numbers: list[np.ndarray]
    problems: list[str]

    def varying(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind != "constant")

    def constant(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind == "constant")


def _described(table: Table, chosen: Sequence[int], kinds: dict[int, str]) -> _Described:
    described = _Described([], [], [])
    for j in chosen:
        try:
            cells = table.column(j)
            if not len(cells):
                raise DataError(f"{table.source}: has no rows; accepted: at least {FEWEST}.")
            column, numbers = find_column(table.names[j], cells, kinds.get(j), table.dtypes[j] if table.dtypes else "")
        except Unusable as error:
            described.problems.append(str(error))
            continue
        described.columns.append(column)
        described.numbers.append(numbers)
    return described


class _Found(NamedTuple):
    """A table's columns, its events `(n, d)` and its conditions `(n, c)`, in the units of the source."""

    schema: Schema
    x: np.ndarray
    cond: np.ndarray | None


def _found(table: Table, choice: Choice) -> _Found:
    """Describe the columns from the table itself."""
    chosen = choose(table, choice)
    event = _described(table, chosen.event, chosen.kinds)
    apart = table.cond
    cond = _described(table, chosen.cond, chosen.kinds) if apart is None else _described(apart, range(len(apart.names)), {})
    _raise(table, event.problems + cond.problems)
    schema = Schema(event.varying(), cond.varying(), event.constant(), tuple(table.names), table.frame, table.dialect)
    if not schema.event:
        constant = ", ".join(repr(column.name) for column in schema.constant)
        raise DataError(f"{table.source}: no column varies ({constant} constant); accepted: columns that vary.")
    x = np.stack([v for v, c in zip(event.numbers, event.columns, strict=True) if c.kind != "constant"], 1)
    parts = [features(c, v) for v, c in zip(cond.numbers, cond.columns, strict=True) if c.kind != "constant"]
    return _Found(schema, x, np.concatenate(parts, 1) if parts else None)


def _known(table: Table, schema: Schema) -> _Found:
    """Read the columns of a description that is known."""
    return _Found(schema, schema.encode(table), schema.encode_cond(table.cond or table) if schema.cond else None)


def _raise(table: Table, problems: list[str]) -> None:
    if problems:
        raise joined(table.source, problems, ACCEPTED)


def _split(name: str, units: Units, found: _Found, rows: dict[str, np.ndarray]) -> Dataset:
    train, valid, test = (
        Split(units.standardise(found.x[index]), None if found.cond is None else units.standardise_cond(found.cond[index]))
        for index in rows.values()
    )
    return Dataset(
        name,
        train.x,
        valid.x,
        test.x,
        train_cond=train.cond,
        valid_cond=valid.cond,
        test_cond=test.cond,
        units=units,
        schema=found.schema,
    )


def _affine(
    names: Sequence[str], values: np.ndarray, train: np.ndarray, as_they_are: Sequence[bool], problems: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (d,) of the training rows, and 0 and 1 for columns that stay as they are."""
    loc, scale = np.zeros(len(names)), np.ones(len(names))
    for j, name in enumerate(names):
        if as_they_are[j]:
            continue
        try:
            loc[j], scale[j] = _standard(name, values[:, j], values[train, j])
        except Unusable as error:
            problems.append(str(error))
    return loc, scale


def _standard(name: str, values: np.ndarray, train: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of the training rows of a column; missing ones do not count."""
    given = train[~np.isnan(train)]
    if not len(given) or given.min() == given.max():
        value = f" ({given[0]:g})" if len(given) else ""
        raise Unusable(f"column {name!r} is constant{value} in the {len(train)} training rows")
    with np.errstate(over="ignore", invalid="ignore"):
        loc, scale = given.mean(), given.std()
    if not (np.isfinite(scale) and scale > 0):
        raise Unusable(f"column {name!r} has no usable standard deviation in double precision; accepted: a column of smaller numbers")
    far = np.abs(values - loc) / scale > np.finfo(np.float32).max
    if far.any():
        row = int(np.argmax(far))
        raise Unusable(
            f"row {row + 1}, column {name!r}: {values[row]:g} is too far from the others; accepted: numbers within the range of single precision"
        )
    return float(loc), float(scale)
