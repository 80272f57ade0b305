"""What a column of a table is, found from its cells: its type, its labels, its range, and how its cells become numbers and come back."""

from typing import Any, NamedTuple

import numpy as np

from jaxgen.data.categories import MOST, Categories, sorted_labels
from jaxgen.data.cells import EPOCH, date_of, is_missing, label_of, number_of, slashed
from jaxgen.data.tables import Unusable

KINDS = ("number", "integer", "category", "date", "time", "constant")
"""The types of columns: a date is a day, a time a moment of a day, and a constant column has one value, which is no part of the event."""
DAY = 86_400
WHOLE = ("integer", "date")
"""The types whose values are whole numbers, which a continuous density has to dequantise."""


class Column(NamedTuple):
    """Describe a column: what its cells are, and the numbers they become.

    A number, an integer, a date (days since `origin`) or a time (days and parts of a day) becomes one number, a category its code
    0.0, 1.0, ...

    Attributes:
        name: The name.
        kind: One of `KINDS`.
        labels: The labels of a category; the last one is "" if cells may be missing.
        missing: Whether cells may be missing.
        low: The smallest number of the column; of a constant its number.
        high: The largest number.
        origin: The first day of a date or a time, "2024-05-31".
        dtype: The name of the dtype in the DataFrame that the column comes from; "" for a file.
        month_first: For dates with slashes, such as 05/31/2024, whether the month comes first; None for other dates.

    >>> column, _ = find_column("age", np.array([31.0, np.nan, 40.0]))
    >>> column.kind, column.missing, column.low, column.high
    ('integer', True, 31.0, 40.0)
    """

    name: str
    kind: str = "number"
    labels: tuple[str, ...] = ()
    missing: bool = False
    low: float = 0.0
    high: float = 0.0
    origin: str = ""
    dtype: str = ""
    month_first: bool | None = None

    @property
    def categories(self) -> Categories | None:
        """Return the labels as `Categories`; None for a column of numbers."""
        return Categories(self.name, self.labels) if self.kind == "category" else None

    def numbers(self, cells: np.ndarray) -> np.ndarray:
        """Return the numbers `(n,)` float64 of cells, codes for a category and NaN for a missing number.

        Args:
            cells: Cells `(n,)` as `Table.column` gives them.

        Raises:
            Unusable: A cell is no number, no date, an unknown label, or missing where none was missing when the column was described.
        """
        if self.categories is not None:
            return self.categories.encode(cells.tolist()).astype(np.float64)
        if self.kind in ("date", "time"):
            values = _moments(self.name, cells, self.month_first) - float((np.datetime64(self.origin, "s") - EPOCH).astype(np.int64)) / DAY
        else:
            values = _numbers(self.name, cells)
        _finite(self.name, values)
        gone = np.isnan(values)
        if gone.any() and not self.missing:
            raise Unusable(f"{_where(self.name, gone)}: the value is missing; accepted: a {self.kind}, as the column has no gaps")
        uneven = ~gone & (values != np.rint(values))
        if self.kind in WHOLE and uneven.any():
            raise Unusable(f"{_where(self.name, uneven)}: {values[uneven][0]:g}; accepted: a whole number")
        return values

    def cells(self, numbers: np.ndarray) -> np.ndarray:
        """Return the cells `(n,)` of numbers `(n,)`: labels, dates, whole numbers, and None or NaN for what is missing."""
        numbers = np.asarray(numbers, np.float64)
        if self.categories is not None:
            labels = self.categories.decode(numbers)
            return np.array([label or None for label in labels.tolist()], object) if self.missing else labels
        if self.kind == "date":
            return _with_gaps(np.datetime64(self.origin, "D"), numbers, "D", 1)
        if self.kind == "time":
            return _with_gaps(np.datetime64(self.origin, "s"), numbers, "s", DAY)
        if self.kind == "integer" and np.isfinite(numbers).all():
            return np.rint(numbers).astype(np.int64)
        return np.rint(numbers) if self.kind == "integer" else numbers


def find_column(name: str, cells: np.ndarray, as_kind: str | None = None, dtype: str = "") -> tuple[Column, np.ndarray]:
    """Find what a column is.

    Args:
        name: Its name.
        cells: Its cells `(n,)`, as `Table.column` gives them.
        as_kind: "category" or "date" overrules what would be found; None finds it.
        dtype: The name of its dtype in a DataFrame.

    Returns:
        The column and its numbers `(n,)` float64.

    Raises:
        Unusable: The column cannot be used; the message says why.
    """
    if cells.dtype.kind == "M" or as_kind == "date":
        column, numbers = _date(name, cells)
    elif cells.dtype.kind == "b" or as_kind == "category":
        column, numbers = _category(name, cells, as_kind is not None)
    elif cells.dtype.kind == "O" and _are_dates(cells):
        column, numbers = _date(name, cells)
    elif cells.dtype.kind == "O":
        _mostly_numbers(name, cells)
        column, numbers = _category(name, cells, False)
    else:
        column, numbers = _number(name, cells.astype(np.float64))
    return column._replace(dtype=dtype), numbers


def _number(name: str, values: np.ndarray) -> tuple[Column, np.ndarray]:
    _finite(name, values)
    given = values[~np.isnan(values)]
    if not len(given):
        raise Unusable(f"column {name!r} has no values")
    low, high = float(given.min()), float(given.max())
    missing = len(given) < len(values)
    if low == high:
        kind = "constant" if not missing else "number"
        if missing:
            raise Unusable(f"column {name!r} is constant ({low:g}) where it is not missing")
    else:
        kind = "integer" if np.all(given == np.rint(given)) and max(abs(low), abs(high)) < 2**53 else "number"
    return Column(name, kind, (), missing, low, high), values


def _category(name: str, cells: np.ndarray, asked: bool) -> tuple[Column, np.ndarray]:
    labels = [label_of(cell) for cell in cells.tolist()]
    different = sorted_labels(set(labels) - {""})
    missing = "" in labels
    if not different:
        raise Unusable(f"column {name!r} has no values")
    if len(different) > MOST:
        raise Unusable(
            f"column {name!r} has {len(different)} different values, and at most {MOST} are categories; is it a number or a name?"
        )
    if not asked and len(different) > 20 and len(different) > 0.5 * len(labels):
        raise Unusable(f"column {name!r} has {len(different)} different texts in {len(labels)} rows, as names do")
    if len(different) + missing < 2:
        return Column(name, "constant", (different[0],)), np.zeros(len(labels))
    column = Column(name, "category", (*different, "") if missing else tuple(different), missing)
    return column, column.numbers(cells)


def _date(name: str, cells: np.ndarray) -> tuple[Column, np.ndarray]:
    month_first = None if cells.dtype.kind == "M" else _month_first(name, cells)
    days = _moments(name, cells, month_first)
    given = days[~np.isnan(days)]
    if not len(given):
        raise Unusable(f"column {name!r} has no values")
    first = float(np.floor(given.min()))
    origin = str((EPOCH + np.timedelta64(round(first * DAY), "s")).astype("M8[D]"))
    days = days - first
    whole = bool(np.all(given == np.rint(given)))
    low, high = float(given.min() - first), float(given.max() - first)
    if low == high:
        raise Unusable(f"column {name!r} is constant ({origin})")
    column = Column(name, "date" if whole else "time", (), len(given) < len(cells), low, high, origin, month_first=month_first)
    return column, days


def _month_first(name: str, cells: np.ndarray) -> bool | None:
    """Return whether the month comes first in dates with slashes: a number above 12 is a day. None if the column has no such dates."""
    found = [(str(cell), pair) for cell in cells.tolist() if not is_missing(cell) and (pair := slashed(str(cell))) is not None]
    if not found:
        return None
    first, second = (max(pair[i] for _, pair in found) for i in (0, 1))
    if (first > 12) == (second > 12):
        why = "some cells have the month first and some the day" if first > 12 else "no cell says whether the month or the day comes first"
        raise Unusable(f"column {name!r} has dates such as {found[0][0]!r}, and {why}; accepted: 2024-05-31, 31.05.2024")
    return second > 12


def _moments(name: str, cells: np.ndarray, month_first: bool | None = None) -> np.ndarray:
    """Return days since 1970, with NaN for what is missing."""
    if cells.dtype.kind == "M":
        seconds = (cells.astype("M8[s]") - EPOCH).astype(np.int64).astype(np.float64)
        return np.where(np.isnat(cells), np.nan, seconds) / DAY
    days = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells.tolist()):
        if is_missing(cell):
            continue
        moment = date_of(str(cell), month_first)
        if moment is None:
            raise Unusable(
                f"row {row + 1}, column {name!r}: {cell!r} is no date; accepted: 2024-05-31, 31.05.2024, 05/31/2024, or with a time of day"
            )
        days[row] = float((moment - EPOCH).astype(np.int64)) / DAY
    return days


def _numbers(name: str, cells: np.ndarray) -> np.ndarray:
    if cells.dtype.kind in "buif":
        return cells.astype(np.float64)
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells.tolist()):
        if is_missing(cell):
            continue
        number = number_of(str(cell))
        if number is None:
            raise Unusable(f"row {row + 1}, column {name!r}: {cell!r} is not a number; accepted: numbers")
        values[row] = number
    return values


def _are_dates(cells: np.ndarray) -> bool:
    given = [cell for cell in cells.tolist() if not is_missing(cell)]
    # With slashes any order will do here: which one it is, or that nothing says so, is found by `_date`.
    return bool(given) and all(any(date_of(str(cell), order) is not None for order in (None, True, False)) for cell in given)


def _mostly_numbers(name: str, cells: np.ndarray) -> None:
    """Refuse a column of numbers with a slip: as a category it would have a label for each number."""
    numbers = [cell is not None and number_of(str(cell)) is not None for cell in cells.tolist()]
    given = sum(cell is not None for cell in cells.tolist())
    if 2 * sum(numbers) > given:
        row = next(i for i, (cell, is_number) in enumerate(zip(cells.tolist(), numbers, strict=True)) if cell is not None and not is_number)
        raise Unusable(
            f"row {row + 1}, column {name!r}: {cells[row]!r} is not a number, as most of the column's cells are"
            + ("; a header is a first line without any number" if row == 0 else "")
        )


def _finite(name: str, values: np.ndarray) -> None:
    if np.isinf(values).any():
        raise Unusable(f"{_where(name, np.isinf(values))}: the value is infinite; accepted: a finite number")


def _where(name: str, bad: np.ndarray) -> str:
    return f"row {int(np.argmax(bad)) + 1}, column {name!r}"


def _with_gaps(origin: np.datetime64, numbers: np.ndarray, unit: Any, per_day: int) -> np.ndarray:
    gone = np.isnan(numbers)
    away = np.rint(np.where(gone, 0, numbers) * per_day).astype(np.int64).astype(f"m8[{unit}]")
    moments = origin + away
    moments[gone] = np.datetime64("NaT")
    return moments
