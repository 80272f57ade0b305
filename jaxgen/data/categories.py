"""Columns of categories: labels found in a table, their codes, and one-hot conditions."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgen.data.tables import DataError

MISSING = ("", "nan", "none", "null")
MOST = 1_000
"""The most labels of a column; a column with more holds numbers or names."""


class Categories(NamedTuple):
    """Hold a discrete column: `labels[k]` is the text of code k. Whole numbers are labelled without a decimal point.

    >>> colour = Categories("colour", ("blue", "red"))
    >>> colour.encode(["red", "blue"]).tolist(), colour.decode([1.0, 0.0]).tolist(), colour.one_hot(np.array([1])).tolist()
    ([1, 0], ['red', 'blue'], [[0.0, 1.0]])
    """

    name: str
    labels: tuple[str, ...]

    def encode(self, values: Sequence[object], where: str = "") -> np.ndarray:
        """Return the codes `(n,)` int64 of labels.

        Args:
            values: The labels, as text or numbers.
            where: The beginning of an error's text.

        Raises:
            DataError: A label is missing or unknown. The message names row (from 1) and column.
        """
        codes = {label: k for k, label in enumerate(self.labels)}
        return np.array([codes[_known(where, self, row, value)] for row, value in enumerate(values, start=1)], np.int64)

    def decode(self, codes: ArrayLike) -> np.ndarray:
        """Return the labels `(n,)` of codes, which may be floats. Raises DataError, naming row and column, for a number that is no code."""
        numbers = np.asarray(codes, np.float64)
        bad = ~np.isin(numbers, np.arange(len(self.labels)))
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(f"row {row + 1}, column {self.name!r}: {numbers[row]:g} is no code; accepted: 0 to {len(self.labels) - 1}.")
        return np.array(self.labels)[numbers.astype(int)]

    def one_hot(self, codes: np.ndarray) -> np.ndarray:
        """Return codes `(n,)` as `(n, len(labels))` float64, with a one in each row."""
        return np.eye(len(self.labels))[codes]


def find_categories(path: str, name: str, values: Sequence[object]) -> tuple[Categories, np.ndarray]:
    """Find the categories of a column, sorted: numbers first, by their value.

    Args:
        path: The file, for an error's text.
        name: The name of the column.
        values: The cells of the column.

    Returns:
        The categories, and the code of each row `(n,)`.

    Raises:
        DataError: A value is missing, all are equal, or there are too many different ones.
    """
    labels = [label_of(f"{path}: ", name, row, value) for row, value in enumerate(values, start=1)]
    different = sorted(set(labels), key=lambda label: (_number(label) is None, _number(label) or 0.0, label))
    if len(different) > MOST:
        raise DataError(
            f"{path}: column {name!r} has {len(different)} different values; accepted: at most {MOST} categories. Is it a number?"
        )
    if len(different) < 2:
        raise DataError(f"{path}: column {name!r} is constant ({', '.join(different) or 'no rows'}); accepted: at least two categories.")
    categories = Categories(name, tuple(different))
    codes = {label: k for k, label in enumerate(different)}
    return categories, np.array([codes[label] for label in labels], np.int64)


def label_of(where: str, name: str, row: int, value: object) -> str:
    """Return the label of one cell of a column of categories.

    Args:
        where: The start of the message: the file or set.
        name: The column's name.
        row: The row's number, for the message.
        value: The cell.

    Returns:
        Its text; a whole number is written without a decimal point.

    Raises:
        DataError: The cell is empty, None, null or NaN.
    """
    text = "" if value is None else str(value).strip()
    if text.lower() in MISSING:
        raise DataError(f"{where}row {row}, column {name!r}: the category is missing ({text or 'empty'}); accepted: text or a number.")
    number = None if isinstance(value, bool | np.bool_) else _number(text)
    return str(int(number)) if number is not None and np.isfinite(number) and number == int(number) else text


def encode_conditions(columns: Sequence[str | Categories], table: Mapping[str, Sequence[object]]) -> np.ndarray:
    """Encode a table of conditions as `(n, c)` float64, in its own units and with one-hot categories.

    Args:
        columns: The name, or the categories, of each column.
        table: The cells of each column by its name.

    Raises:
        DataError: A column is absent, unknown or of another length, a category is unknown, or a number is not finite.
    """
    names = [c.name if isinstance(c, Categories) else c for c in columns]
    if set(table) != set(names):
        raise DataError(f"encode_cond: condition columns {', '.join(map(repr, table))}; accepted: {', '.join(map(repr, names))}.")
    lengths = {name: len(table[name]) for name in names}
    if len(set(lengths.values())) != 1:
        raise DataError(f"encode_cond: condition columns have {lengths} rows; accepted: the same number in each.")
    parts = []
    for name, column in zip(names, columns, strict=True):
        if isinstance(column, Categories):
            parts.append(column.one_hot(column.encode(table[name])))
            continue
        numbers = [_number(str(value)) for value in table[name]]
        for row, (value, number) in enumerate(zip(table[name], numbers, strict=True), start=1):
            if number is None or not np.isfinite(number):
                raise DataError(f"row {row}, column {name!r}: {value!r} is not a finite number; accepted: finite numbers.")
        parts.append(np.array(numbers, np.float64)[:, None])
    return np.concatenate(parts, 1)


def _known(where: str, categories: Categories, row: int, value: object) -> str:
    label = label_of(where, categories.name, row, value)
    if label not in categories.labels:
        shown = ", ".join(map(repr, categories.labels[:20])) + (", ..." if len(categories.labels) > 20 else "")
        raise DataError(f"{where}row {row}, column {categories.name!r}: unseen category {label!r}; accepted: {shown}.")
    return label


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
