"""What one cell of text says: a number, a date, or nothing."""

import datetime
import math
import re

import numpy as np

MISSING = frozenset({"", "nan", "na", "n/a", "<na>", "nat", "none", "null"})
"""Texts, in small letters, that stand for a missing cell."""
EPOCH = np.datetime64("1970-01-01T00:00:00", "s")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)|nan", re.IGNORECASE | re.ASCII)
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|\d{4}/\d{2}/\d{2}", re.ASCII)


def is_missing(cell: object) -> bool:
    """Return whether a cell is None, NaN, or a text that stands for nothing."""
    if cell is None:
        return True
    if isinstance(cell, float | np.floating):
        return math.isnan(cell)
    return str(cell).strip().lower() in MISSING


def number_of(text: str) -> float | None:
    """Return the number that a text is, or None. Digits are those of ASCII, without separators: `1_0` is no number.

    >>> number_of(" 1e3 "), number_of("1_0"), number_of("x")
    (1000.0, None, None)
    """
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def label_of(cell: object) -> str:
    """Return the label of a cell of a column of categories: a whole number has no decimal point, and a missing cell is "".

    >>> label_of(2.0), label_of(" red "), label_of(None), label_of("1e999")
    ('2', 'red', '', '1e999')
    """
    if is_missing(cell):
        return ""
    text = str(cell).strip()
    number = None if isinstance(cell, bool | np.bool_) else number_of(text)
    return str(int(number)) if number is not None and abs(number) < 2**63 and number == math.floor(number) else text


def slashed(text: str) -> tuple[int, int] | None:
    """Return the first two numbers of a date with slashes that ends with the year, or None for any other text.

    >>> slashed("05/31/2024 12:00"), slashed("2024/05/31")
    ((5, 31), None)
    """
    head = _SLASHED.match(text.strip())
    return None if head is None else (int(head.group(1)), int(head.group(2)))


def date_of(text: str, month_first: bool | None = None) -> np.datetime64 | None:
    """Return the moment that a text is, or None: `2024-05-31`, with or without a time of day, `2024/05/31` or `31.05.2024`.

    Args:
        text: The text.
        month_first: Whether the month comes first in a date with slashes that ends with the year. None does not read such dates, because
            nothing says which number is the month.

    >>> date_of("31.05.2024"), date_of("05/06/2024"), date_of("05/06/2024", month_first=True)
    (np.datetime64('2024-05-31T00:00:00'), None, np.datetime64('2024-05-06T00:00:00'))
    """
    text = text.strip()
    if month_first is not None:
        text = _SLASHED.sub(r"\2.\1.\3" if month_first else r"\1.\2.\3", text, count=1)
    head = _DATE.match(text)
    if head is None:
        return None
    day, rest = head.group(), text[head.end() :]
    iso = "-".join(part.zfill(2) for part in reversed(day.split("."))) if "." in day else day.replace("/", "-")
    try:
        moment = datetime.datetime.fromisoformat(iso + rest)
    except ValueError:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(moment, "s")
