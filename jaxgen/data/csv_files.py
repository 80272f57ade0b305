"""Files of comma-separated values: their encoding, separator and decimal sign are found, and a row of another length is refused."""

import codecs
import contextlib
import csv
import functools
import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from jaxgen import checks
from jaxgen.data.cells import is_missing, number_of
from jaxgen.data.tables import DataError, Table, guard, numbered, unique

HEAD = 200
"""How many rows decide about the separator and the decimal sign."""
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.ASCII)
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", re.ASCII)


class Dialect(NamedTuple):
    """Hold what stands between the cells of a file and within its numbers, and how its bytes are read."""

    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8-sig"


def read_csv(path: str) -> Table:
    """Read a .csv file, separated by commas, semicolons, tabs or bars.

    The file is read as UTF-16 if it begins with the mark of UTF-16, otherwise as UTF-8, and if it is not UTF-8, as Windows-1252, the superset of
    Latin-1 that spreadsheets write.

    The first line is a header if none of its cells is a number. So is `0,1,2`, which a DataFrame without names writes, above cells of which
    none is a whole number, or after the empty cell of an index. A first column without a name that counts the rows is such an index, and is
    left out.

    Args:
        path: The file. In a file that is not separated by commas, numbers may have a decimal comma.

    Raises:
        DataError: The file is empty or damaged, two columns have one name, or a row is longer or shorter than the first one.
    """
    dialect = guard(path, lambda: _dialect(path))
    head = guard(path, lambda: list(itertools.islice(_rows(path, dialect), 1)))
    if not head:
        raise DataError(f"{path}: is empty; accepted: a table with rows.")
    first = head[0]
    header = not any(_number(cell, dialect) is not None for cell in first) and not all(map(is_missing, first))
    header = header or guard(path, lambda: _counts_its_columns(list(itertools.islice(_rows(path, dialect), HEAD))))
    names = unique(path, [cell.strip() for cell in first]) if header else numbered(len(first))
    column = _columns(path, dialect, names, header)
    if header and names[0] == "" and len(names) > 1 and _counts_the_rows(column(0)):
        checks.warn(f"{path}: the first column has no name and counts the rows: it is taken for an index and left out.")
        names, column = names[1:], lambda j, every=column: every(j + 1)
    return Table(path, names, column, dialect=(dialect.separator, dialect.decimal))


def _counts_the_rows(cells: np.ndarray) -> bool:
    return cells.dtype.kind == "f" and len(cells) > 0 and np.array_equal(cells, cells[0] + np.arange(len(cells))) and cells[0] in (0, 1)


def _columns(path: str, dialect: Dialect, names: tuple[str, ...], header: bool) -> Callable[[int], np.ndarray]:
    @functools.cache
    def values() -> np.ndarray | None:
        return _all_numbers(path, dialect, len(names), header)

    @functools.cache
    def lines() -> list[list[str]]:
        rows = guard(path, lambda: list(_rows(path, dialect)))[header:]
        for number, cells in enumerate(rows, start=1):
            if len(cells) != len(names):
                raise DataError(f"{path}: row {number} has {len(cells)} cells; accepted: {len(names)}, as the first line has.")
        return rows

    def column(index: int) -> np.ndarray:
        numbers = values()
        if numbers is not None:
            return numbers[:, index]
        return _typed([cells[index] for cells in lines()], dialect)

    return column


def _all_numbers(path: str, dialect: Dialect, width: int, header: bool) -> np.ndarray | None:
    """Read a table of nothing but numbers six times faster, or return None: this parser cannot say where a file is wrong."""
    if dialect.decimal != ".":
        return None
    with contextlib.suppress(Exception), open(path, newline="", encoding=dialect.encoding) as file:
        if header:
            next(cells for cells in csv.reader(file, delimiter=dialect.separator) if cells)
        rest = itertools.chain([next(file)], file)
        numbers = np.loadtxt(rest, delimiter=dialect.separator, quotechar='"', comments=None, ndmin=2)
        return numbers if numbers.shape[1] == width else None
    return None


def _typed(cells: list[str], dialect: Dialect) -> np.ndarray:
    """Return numbers, with NaN for what is missing, if all other cells are numbers, and text with None otherwise."""
    missing = [is_missing(cell) for cell in cells]
    numbers = [np.nan if gone else _number(cell, dialect) for cell, gone in zip(cells, missing, strict=True)]
    if all(number is not None for number in numbers):
        return np.array(numbers, np.float64)
    typed = np.empty(len(cells), object)
    typed[:] = [None if gone else cell.strip() for cell, gone in zip(cells, missing, strict=True)]
    return typed


def _counts_its_columns(head: list[list[str]]) -> bool:
    """Say whether the first line numbers the columns and is no row: whoever writes 0 for 0.0 would write whole numbers below it too."""
    first = [cell.strip() for cell in head[0]]
    index = first[0] == "" and len(first) > 1
    if first[index:] != [str(j) for j in range(len(first) - index)]:
        return False
    return index or (len(head) > 1 and not any(_WHOLE.fullmatch(cell.strip()) for cells in head[1:] for cell in cells))


def _number(cell: str, dialect: Dialect) -> float | None:
    return number_of(cell.replace(",", ".") if dialect.decimal == "," and _COMMA_NUMBER.fullmatch(cell.strip()) else cell)


def _dialect(path: str) -> Dialect:
    """Choose the separator by which most rows have as many cells as the first one, two or more."""
    encoding = _encoding(path)
    heads = {sep: list(itertools.islice(_rows(path, Dialect(sep, encoding=encoding)), HEAD)) for sep in (";", "\t", "|", ",")}

    def agreement(head: list[list[str]]) -> float:
        return sum(len(cells) == len(head[0]) for cells in head) / len(head) if head and len(head[0]) > 1 else 0.0

    separator = max(heads, key=lambda sep: agreement(heads[sep]))
    if separator == "," or agreement(heads[separator]) == 0:
        return Dialect(encoding=encoding)
    cells = [cell.strip() for row in heads[separator] for cell in row]
    comma = any(map(_COMMA_NUMBER.fullmatch, cells)) and not any(map(_POINT_NUMBER.fullmatch, cells))
    return Dialect(separator, "," if comma else ".", encoding)


def _encoding(path: str) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open(path, "rb") as file:
        block = file.read(1 << 20)
        if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        try:
            while block:
                decoder.decode(block)
                block = file.read(1 << 20)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def _rows(path: str, dialect: Dialect) -> Iterator[list[str]]:
    """Return the rows as lists of cells, without blank lines."""
    with open(path, newline="", encoding=dialect.encoding) as file:
        yield from (cells for cells in csv.reader(file, delimiter=dialect.separator) if cells)
