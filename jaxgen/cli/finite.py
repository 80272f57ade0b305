"""Refuse to write results that are not finite numbers."""

import numpy as np


def require_finite(what: str, values: np.ndarray, *, gaps: bool = False, outside: bool = False) -> None:
    """Refuse results with rows that are not finite, and name the first of them.

    Args:
        what: The argument or option that the results belong to, for the message.
        values: The results `(n, ...)`.
        gaps: Whether NaN is a gap of a table.
        outside: Whether minus infinity is the log density of an event outside the support.

    Raises:
        FloatingPointError: A row is not finite.

    >>> require_finite("rows.csv", np.asarray([0.0, -np.inf, np.nan]), outside=True)
    Traceback (most recent call last):
    FloatingPointError: rows.csv: 1 of 3 results are not finite, in rows 3; accepted: params and rows that give numbers.
    """
    bad = ~np.isfinite(values)
    if gaps:
        bad &= ~np.isnan(values)
    if outside:
        bad &= ~np.isneginf(values)
    rows = np.flatnonzero(bad.reshape(len(values), -1).any(1))
    if len(rows):
        named = ", ".join(str(i + 1) for i in rows[:5]) + (", ..." if len(rows) > 5 else "")
        raise FloatingPointError(
            f"{what}: {len(rows)} of {len(values)} results are not finite, in rows {named}; accepted: params and rows that give numbers."
        )
