"""The user's own tables: chosen columns, checked, split at random and standardised by the training rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgen.data.categories import Categories, find_categories
from jaxgen.data.dataset import Dataset, Split, Units
from jaxgen.data.tables import READERS, DataError, MissingExtra, Table, read_table

__all__ = ["SUFFIXES", "DataError", "MissingExtra", "load_file", "share", "whole"]

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
    """A .npy, .npz, .csv or .parquet table as a Dataset: train (n, d) and so on, standardised, `units` holding the affine back.

    columns, cond_columns: names or indices (from 0) of the event's and the condition's columns; by default every column that is not a
        condition belongs to the event. An .npz may hold the condition as its own array `cond`.
    discrete: which of them hold categories, text or numbers. In the event they become codes 0.0, 1.0, ... that are not standardised, in the
        condition one-hot columns; `Dataset.categories` and `conditions` keep the labels, `Dataset.table` gives them back. A Dataset's
        densities over such an event are for a model of codes, the zoo's `tabular`.
    seed:  fixes the random 80/10/10 split.
    sizes: at most this many rows of "train", "valid", "test"; None for all of a split's share.

    Raises DataError, naming file, row and column, for anything that is not a finite real number (or, in a discrete column, is missing), an
    empty or too short table, a constant column, unknown or overlapping columns, and the wrong rank or dtype.
    """
    table = read_table(path)
    chosen, cond_chosen = _choose(path, table, columns, cond_columns)
    marked = [] if discrete is None else _indices(path, "discrete", table, discrete)
    unused = [table.names[j] for j in marked if j not in chosen and j not in cond_chosen]
    if unused:
        raise DataError(f"{path}: discrete: column {unused[0]!r} is neither of the event nor of the condition")
    x, kinds = _mixed(path, table, chosen, marked)
    if len(x) < FEWEST:
        raise DataError(f"{path}: has {len(x)} rows; at least {FEWEST} are needed to train, validate and test on")
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
    """Disjoint random rows of "train" (80 %), "valid" and "test" (10 % each, rounded), each cut to at most `sizes[split]`.

    A row's split depends on `total` and `seed` only, never on the sizes asked for.
    """
    order = np.random.default_rng([4, seed]).permutation(total)
    held_out = round(total / 10)
    parts = {"valid": order[:held_out], "test": order[held_out : 2 * held_out], "train": order[2 * held_out :]}
    return {split: parts[split][: sizes.get(split)] for split in ("train", "valid", "test")}


def whole(name: str, value: object, least: int) -> None:
    """Raises DataError unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise DataError(f"{name}={value!r}: expected a whole number of at least {least}")


def _choose(path: str, table: Table, columns: Columns, cond_columns: Columns) -> tuple[list[int], list[int]]:
    if table.cond is not None and cond_columns is not None:
        raise DataError(f"{path}: cond_columns={cond_columns!r}, but the file holds its condition as the array cond; leave it out")
    cond_chosen = [] if cond_columns is None else _indices(path, "cond_columns", table, cond_columns)
    if columns is None:
        chosen = [j for j in range(len(table.names)) if j not in cond_chosen]
    else:
        chosen = _indices(path, "columns", table, columns)
    both = [table.names[j] for j in chosen if j in cond_chosen]
    if both:
        raise DataError(f"{path}: column {both[0]!r} is in columns and in cond_columns; a column is one or the other")
    if not chosen:
        raise DataError(f"{path}: no column is left for the event")
    return chosen, cond_chosen


def _indices(path: str, argument: str, table: Table, columns: Sequence[str | int] | str | int) -> list[int]:
    """Indices of columns given by name or index; a text that is no name but a whole number is an index, as on a command line."""
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
                f"{path}: {argument}: no column {column!r}; expected a name among {', '.join(map(repr, table.names))} "
                f"or an index from 0 to {len(table.names) - 1}"
            )
        if index in chosen:
            raise DataError(f"{path}: {argument}: column {table.names[index]!r} is chosen twice")
        chosen.append(index)
    return chosen


def _checked(path: str, table: Table, chosen: Sequence[int]) -> np.ndarray:
    """The chosen columns (n, d) as float64, all finite and none constant."""
    if not chosen:
        raise DataError(f"{path}: has no columns")
    with np.errstate(over="ignore"):
        values = table.read(chosen).astype(np.float64)
    if not len(values):
        raise DataError(f"{path}: has no rows")
    bad = ~np.isfinite(values)
    if bad.any():
        row, j = divmod(int(np.argmax(bad)), bad.shape[1])
        kind = "is missing (NaN)" if np.isnan(values[row, j]) else "is infinite"
        raise DataError(f"{path}: row {row + 1}, column {table.names[chosen[j]]!r}: the value {kind}; expected a finite number")
    return values


def _mixed(path: str, table: Table, chosen: Sequence[int], discrete: Sequence[int]) -> tuple[np.ndarray, list[Categories | None]]:
    """The chosen columns (n, d) as float64, codes for the discrete ones, and per column its categories or None."""
    numbers = [j for j in chosen if j not in discrete]
    found = {j: find_categories(path, table.names[j], table.column(j)) for j in chosen if j in discrete}
    read = _checked(path, table, numbers) if numbers or not found else np.zeros((0, 0))
    parts = {j: found[j][1].astype(np.float64) if j in found else read[:, numbers.index(j)] for j in chosen}
    return np.stack([parts[j] for j in chosen], 1), [found[j][0] if j in found else None for j in chosen]


class _Conditions(NamedTuple):
    """Values (n, c), categories one-hot; the name of each column, and whether it is one-hot; a name or the categories of each in the file."""

    values: np.ndarray
    names: tuple[str, ...]
    one_hot: list[bool]
    kinds: tuple[str | Categories, ...]


def _conditions(path: str, table: Table, chosen: Sequence[int], discrete: Sequence[int]) -> _Conditions | None:
    """The chosen columns as conditions, or the array that the file holds for them; None where there are none."""
    if table.cond is not None:
        table, chosen, discrete = table.cond, list(range(len(table.cond.names))), []
    if not chosen:
        return None
    codes, found = _mixed(path, table, chosen, discrete)
    kinds = tuple(k or table.names[j] for j, k in zip(chosen, found, strict=True))
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
    """Mean and standard deviation (d,) of the training rows; 0 and 1 for the discrete columns, whose codes stay as they are."""
    loc, scale = np.zeros(len(names)), np.ones(len(names))
    numbers = [j for j in range(len(names)) if not discrete[j]]
    if numbers:
        loc[numbers], scale[numbers] = _standard(path, [names[j] for j in numbers], values[:, numbers], train)
    return loc, scale


def _standard(path: str, names: Sequence[str], values: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (d,) of the training rows."""
    for name, column in zip(names, values.T, strict=True):
        if column.min() == column.max():
            raise DataError(f"{path}: column {name!r} is constant ({column[0]:g}); leave it out, a density needs columns that vary")
        if column[train].min() == column[train].max():
            raise DataError(f"{path}: column {name!r} is constant ({column[train[0]]:g}) in the {len(train)} training rows; leave it out")
    with np.errstate(over="ignore", invalid="ignore"):
        loc, scale = values[train].mean(axis=0), values[train].std(axis=0)
    for name, good in zip(names, np.isfinite(scale) & (scale > 0), strict=True):
        if not good:
            raise DataError(f"{path}: column {name!r} has no usable standard deviation in double precision; rescale it")
    far = np.abs(values - loc) / scale > np.finfo(np.float32).max
    if far.any():
        row, j = divmod(int(np.argmax(far)), far.shape[1])
        raise DataError(f"{path}: row {row + 1}, column {names[j]!r}: {values[row, j]:g} is too far from the others for single precision")
    return loc, scale
