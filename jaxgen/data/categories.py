"""Columns of categories: labels found in a table, their codes, and one-hot conditions."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgen.data.tables import DataError

MISSING = ("", "nan", "none", "null")
MOST = 1_000
"""Labels beyond which a column is taken for numbers or names."""


class Categories(NamedTuple):
    """A discrete column: `labels[k]` is the text of code k. Whole numbers are labelled without a decimal point."""

    name: str
    labels: tuple[str, ...]

    def encode(self, values: Sequence[Any], where: str = "") -> np.ndarray:
        """Codes `(n,)` int64 of labels. Raises DataError naming row (1-based) and column for a missing or an unseen one."""
        codes = {label: k for k, label in enumerate(self.labels)}
        return np.array([codes[_known(where, self, row, value)] for row, value in enumerate(values, start=1)], np.int64)

    def decode(self, codes: Any) -> np.ndarray:
        """Labels `(n,)` of codes, which may be floats as in an event. Raises DataError naming row and column for what is no code."""
        codes = np.asarray(codes, np.float64)
        bad = ~np.isin(codes, np.arange(len(self.labels)))
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(f"row {row + 1}, column {self.name!r}: {codes[row]:g} is no code; expected 0 to {len(self.labels) - 1}")
        return np.array(self.labels)[codes.astype(int)]

    def one_hot(self, codes: np.ndarray) -> np.ndarray:
        """Codes `(n,)` as `(n, len(labels))` float64 with a one each row."""
        return np.eye(len(self.labels))[codes]


def find_categories(path: str, name: str, values: Sequence[Any]) -> tuple[Categories, np.ndarray]:
    """The categories of a column, sorted (by value where all are numbers), and its codes `(n,)`. DataError for a missing value or too many."""
    labels = [label_of(f"{path}: ", name, row, value) for row, value in enumerate(values, start=1)]
    found = sorted(set(labels), key=lambda label: (_number(label) is None, _number(label) or 0.0, label))
    if len(found) > MOST:
        raise DataError(f"{path}: column {name!r} has {len(found)} different values; expected at most {MOST} categories: is it a number?")
    if len(found) < 2:
        raise DataError(
            f"{path}: column {name!r} is constant ({', '.join(found) or 'no rows'}); leave it out, a category needs an alternative"
        )
    categories = Categories(name, tuple(found))
    codes = {label: k for k, label in enumerate(found)}
    return categories, np.array([codes[label] for label in labels], np.int64)


def label_of(where: str, name: str, row: int, value: Any) -> str:
    """The label of one cell. Raises DataError where it is missing: empty, None, null or NaN."""
    text = "" if value is None else str(value).strip()
    if text.lower() in MISSING:
        raise DataError(f"{where}row {row}, column {name!r}: the category is missing ({text or 'empty'})")
    number = None if isinstance(value, bool | np.bool_) else _number(text)
    return str(int(number)) if number is not None and np.isfinite(number) and number == int(number) else text


def encode_conditions(columns: Sequence[str | Categories], table: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """A table of conditions, column by column, as `(n, c)` float64 in its own units, categories one-hot.

    Raises DataError for a missing, unknown or unequally long column, an unseen category, and a number that is not finite.
    """
    names = [c.name if isinstance(c, Categories) else c for c in columns]
    if set(table) != set(names):
        raise DataError(f"condition columns {', '.join(map(repr, table))}: expected {', '.join(map(repr, names))}")
    lengths = {name: len(table[name]) for name in names}
    if len(set(lengths.values())) != 1:
        raise DataError(f"condition columns have {lengths} rows; expected the same number in each")
    parts = []
    for name, column in zip(names, columns, strict=True):
        if isinstance(column, Categories):
            parts.append(column.one_hot(column.encode(table[name])))
            continue
        numbers = [_number(str(value)) for value in table[name]]
        for row, (value, number) in enumerate(zip(table[name], numbers, strict=True), start=1):
            if number is None or not np.isfinite(number):
                raise DataError(f"row {row}, column {name!r}: {value!r} is not a finite number")
        parts.append(np.array(numbers, np.float64)[:, None])
    return np.concatenate(parts, 1)


def _known(where: str, categories: Categories, row: int, value: Any) -> str:
    label = label_of(where, categories.name, row, value)
    if label not in categories.labels:
        shown = ", ".join(map(repr, categories.labels[:20])) + (", ..." if len(categories.labels) > 20 else "")
        raise DataError(f"{where}row {row}, column {categories.name!r}: unseen category {label!r}; expected one of {shown}")
    return label


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
