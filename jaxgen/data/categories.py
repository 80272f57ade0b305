"""Columns of categories: labels, their codes, and one-hot conditions."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgen.data.cells import label_of, number_of
from jaxgen.data.tables import Unusable

MOST = 1_000
"""The most labels of a column; a column with more holds numbers or names."""


class Categories(NamedTuple):
    """Hold a discrete column: `labels[k]` is the text of code k. Whole numbers are labelled without a decimal point.

    The label "" stands for cells that are missing.

    >>> colour = Categories("colour", ("blue", "red"))
    >>> colour.encode(["red", "blue"]).tolist(), colour.decode([1.0, 0.0]).tolist(), colour.one_hot(np.array([1])).tolist()
    ([1, 0], ['red', 'blue'], [[0.0, 1.0]])
    """

    name: str
    labels: tuple[str, ...]

    def encode(self, values: Sequence[object]) -> np.ndarray:
        """Return the codes `(n,)` int64 of labels.

        Args:
            values: The labels, as text or numbers.

        Raises:
            DataError: A label is missing or unknown. The message names row (from 1) and column.
        """
        codes = {label: k for k, label in enumerate(self.labels)}
        found = [label_of(value) for value in values]
        for row, label in enumerate(found, start=1):
            if label not in codes:
                what = f"unseen category {label!r}" if label else "the category is missing"
                raise Unusable(f"row {row}, column {self.name!r}: {what}; accepted: {self._shown()}")
        return np.array([codes[label] for label in found], np.int64)

    def decode(self, codes: ArrayLike) -> np.ndarray:
        """Return the labels `(n,)` of codes, which may be floats. Raises DataError, naming row and column, for a number that is no code."""
        numbers = np.asarray(codes, np.float64)
        bad = ~np.isin(numbers, np.arange(len(self.labels)))
        if bad.any():
            row = int(np.argmax(bad))
            raise Unusable(f"row {row + 1}, column {self.name!r}: {numbers[row]:g} is no code; accepted: 0 to {len(self.labels) - 1}")
        return np.array(self.labels)[numbers.astype(int)]

    def one_hot(self, codes: np.ndarray) -> np.ndarray:
        """Return codes `(n,)` as `(n, len(labels))` float64, with a one in each row."""
        return np.eye(len(self.labels))[codes]

    def _shown(self) -> str:
        return ", ".join(map(repr, self.labels[:20])) + (", ..." if len(self.labels) > 20 else "")


def sorted_labels(labels: Iterable[str]) -> list[str]:
    """Return labels sorted, numbers first by their value.

    >>> sorted_labels({"10", "b", "2", "a", "-1"})
    ['-1', '2', '10', 'a', 'b']
    """
    return sorted(labels, key=lambda label: (number_of(label) is None, number_of(label) or 0.0, label))
