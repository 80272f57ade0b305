"""The user's own tables: chosen columns, checked, split at random and standardised by the training rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgen import checks
from jaxgen.data.categories import Categories, find_categories
from jaxgen.data.dataset import Dataset, Split, Units
from jaxgen.data.tables import READERS, DataError, MissingExtra, Table, read_table

__all__ = ["SUFFIXES", "DataError", "MissingExtra", "load_file", "share"]

SUFFIXES = tuple(READERS)
FEWEST = 10
"""Rows below which an 80/10/10 split would leave a part empty."""

Columns = Sequence[str | int] | str | int | None


def load_file(
    path: str,
    *,
    seed: int = 0,
    columns: Columns = None,
    cond_columns: Columns = None,
    discrete: Columns = None,
    sizes: dict[str, int | None] | None = None,
) -> Dataset:
    """Load a .npy, .npz, .csv or .parquet table, split at random and standardised by its training rows.

    Args:
        path: The file.
        seed: The seed of the random 80/10/10 split.
        columns: Names or indices (from 0) of the event's columns. None takes every column that is not a condition.
        cond_columns: Names or indices of the condition's columns. An .npz may hold the condition as an array `cond` instead.
        discrete: The columns that hold categories, as text or numbers. In the event they become codes 0.0, 1.0, ... without
            standardisation, in the condition one-hot columns. Events with codes are for models of codes, such as the zoo's `tabular`.
        sizes: The most rows of "train", "valid" and "test"; None takes the whole split.

    Returns:
        A `Dataset` of events `(n, d)`, whose `units` hold the affine map back, and `categories` and `conditions` the labels.

    Raises:
        DataError: A cell is no finite number (or, in a discrete column, is missing), a column is constant, unknown or in both roles, or
            the table is too short or has the wrong rank or dtype. The message names file, row and column.
    """
    table = read_table(path)
    chosen, cond_chosen = _choose(path, table, columns, cond_columns)
    marked = [] if discrete is None else _indices(path, "discrete", table, discrete)
    unused = [table.names[j] for j in marked if j not in chosen and j not in cond_chosen]
    if unused:
        raise DataError(
            f"{path}: discrete: column {unused[0]!r} is neither of the event nor of the condition; accepted: columns of one or the other."
        )
    x, kinds = _mixed(path, table, chosen, marked)
    if len(x) < FEWEST:
        raise DataError(f"{path}: has {len(x)} rows; accepted: at least {FEWEST}, to train, validate and test on.")
    rows = share(len(x), seed, sizes or {})
    names = tuple(table.names[j] for j in chosen)
    affine = _affine(path, names, x, rows["train"], [k is not None for k in kinds])
    c = _conditions(path, table, cond_chosen, marked)
    units = Units(*affine, *((None, None) if c is None else _affine(path, c.names, c.values, rows["train"], c.one_hot)))
    train, valid, test = (
        Split(units.standardise(x[index]), None if c is None else units.standardise_cond(c.values[index])) for index in rows.values()
    )
    return Dataset(
        Path(path).stem,
        train.x,
        valid.x,
        test.x,
        train_cond=train.cond,
        valid_cond=valid.cond,
        test_cond=test.cond,
        columns=names,
        cond_names=() if c is None else c.names,
        units=units,
        categories=tuple(kinds) if any(kinds) else (),
        conditions=() if c is None or not any(isinstance(kind, Categories) for kind in c.kinds) else c.kinds,
    )


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


def _choose(path: str, table: Table, columns: Columns, cond_columns: Columns) -> tuple[list[int], list[int]]:
    if table.cond is not None and cond_columns is not None:
        raise DataError(
            f"{path}: cond_columns={cond_columns!r}; accepted: None, as the file holds its condition as the array cond; leave it out."
        )
    cond_chosen = [] if cond_columns is None else _indices(path, "cond_columns", table, cond_columns)
    if columns is None:
        chosen = [j for j in range(len(table.names)) if j not in cond_chosen]
    else:
        chosen = _indices(path, "columns", table, columns)
    both = [table.names[j] for j in chosen if j in cond_chosen]
    if both:
        raise DataError(f"{path}: column {both[0]!r} is in columns and in cond_columns; accepted: one or the other.")
    if not chosen:
        raise DataError(f"{path}: no column is left for the event; accepted: at least one.")
    return chosen, cond_chosen


def _indices(path: str, argument: str, table: Table, columns: Sequence[str | int] | str | int) -> list[int]:
    """Return indices of columns given by name or index. A text that is no name but a whole number is an index, as on a command line."""
    chosen: list[int] = []
    for column in [columns] if isinstance(columns, str | int) else columns:
        if isinstance(column, str) and column in table.names:
            index = table.names.index(column)
        elif isinstance(column, str) and column.isdecimal():
            index = int(column)
        else:
            index = -1 if isinstance(column, str | bool) else int(column)
        if not 0 <= index < len(table.names):
            raise DataError(
                f"{path}: {argument}: no column {column!r}; accepted: a name among {', '.join(map(repr, table.names))} "
                f"or an index from 0 to {len(table.names) - 1}."
            )
        if index in chosen:
            raise DataError(f"{path}: {argument}: column {table.names[index]!r} is chosen twice; accepted: once.")
        chosen.append(index)
    return chosen


def _checked(path: str, table: Table, chosen: Sequence[int]) -> np.ndarray:
    """Read the chosen columns (n, d) as float64, all finite."""
    if not chosen:
        raise DataError(f"{path}: has no columns; accepted: at least one.")
    with np.errstate(over="ignore"):
        values = table.read(chosen).astype(np.float64)
    if not len(values):
        raise DataError(f"{path}: has no rows; accepted: at least 10.")
    bad = ~np.isfinite(values)
    if bad.any():
        row, j = divmod(int(np.argmax(bad)), bad.shape[1])
        kind = "is missing (NaN)" if np.isnan(values[row, j]) else "is infinite"
        raise DataError(f"{path}: row {row + 1}, column {table.names[chosen[j]]!r}: the value {kind}; accepted: a finite number.")
    return values


def _mixed(path: str, table: Table, chosen: Sequence[int], discrete: Sequence[int]) -> tuple[np.ndarray, list[Categories | None]]:
    """Return the chosen columns (n, d) as float64, with codes for the discrete ones, and per column its categories or None."""
    numbers = [j for j in chosen if j not in discrete]
    coded = {j: find_categories(path, table.names[j], table.column(j)) for j in chosen if j in discrete}
    read = _checked(path, table, numbers) if numbers or not coded else np.zeros((0, 0))
    parts = {j: coded[j][1].astype(np.float64) if j in coded else read[:, numbers.index(j)] for j in chosen}
    return np.stack([parts[j] for j in chosen], 1), [coded[j][0] if j in coded else None for j in chosen]


class _Conditions(NamedTuple):
    """Values (n, c), the name of each column, whether it is one-hot, and for each column of the file its name or categories."""

    values: np.ndarray
    names: tuple[str, ...]
    one_hot: list[bool]
    kinds: tuple[str | Categories, ...]


def _conditions(path: str, table: Table, chosen: Sequence[int], discrete: Sequence[int]) -> _Conditions | None:
    """Return the chosen columns as conditions, or the array `cond` of the file; None without either."""
    if table.cond is not None:
        table, chosen, discrete = table.cond, list(range(len(table.cond.names))), []
    if not chosen:
        return None
    codes, categories = _mixed(path, table, chosen, discrete)
    kinds = tuple(k or table.names[j] for j, k in zip(chosen, categories, strict=True))
    parts, names, one_hot = [], [], []
    for column, kind in zip(codes.T, kinds, strict=True):
        several = isinstance(kind, Categories)
        parts.append(kind.one_hot(column.astype(int)) if several else column[:, None])
        names += [f"{kind.name}={label}" for label in kind.labels] if several else [kind]
        one_hot += [several] * parts[-1].shape[1]
    return _Conditions(np.concatenate(parts, 1), tuple(names), one_hot, kinds)


def _affine(
    path: str, names: Sequence[str], values: np.ndarray, train: np.ndarray, discrete: Sequence[bool]
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (d,) of the training rows, and 0 and 1 for discrete columns."""
    loc, scale = np.zeros(len(names)), np.ones(len(names))
    numbers = [j for j in range(len(names)) if not discrete[j]]
    if numbers:
        loc[numbers], scale[numbers] = _standard(path, [names[j] for j in numbers], values[:, numbers], train)
    return loc, scale


def _standard(path: str, names: Sequence[str], values: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (d,) of the training rows."""
    for name, column in zip(names, values.T, strict=True):
        if column.min() == column.max():
            raise DataError(f"{path}: column {name!r} is constant ({column[0]:g}); accepted: columns that vary.")
        if column[train].min() == column[train].max():
            raise DataError(
                f"{path}: column {name!r} is constant ({column[train[0]]:g}) in the {len(train)} training rows; accepted: columns that vary there."
            )
    with np.errstate(over="ignore", invalid="ignore"):
        loc, scale = values[train].mean(axis=0), values[train].std(axis=0)
    for name, good in zip(names, np.isfinite(scale) & (scale > 0), strict=True):
        if not good:
            raise DataError(
                f"{path}: column {name!r} has no usable standard deviation in double precision; accepted: a column of smaller numbers."
            )
    far = np.abs(values - loc) / scale > np.finfo(np.float32).max
    if far.any():
        row, j = divmod(int(np.argmax(far)), far.shape[1])
        raise DataError(
            f"{path}: row {row + 1}, column {names[j]!r}: {values[row, j]:g} is too far from the others; "
            "accepted: numbers within the range of single precision."
        )
    return loc, scale
