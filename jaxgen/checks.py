"""Checks of the numbers that factories take: a bad one is named where it is given, not found as NaN much later."""

import math
from typing import Any

import numpy as np
from jax.core import Tracer


def count(name: str, value: Any, least: int = 1) -> None:
    """ValueError unless `value` is an integer of at least `least`."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value!r}; accepted: an integer of at least {least}.")


def number(
    name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf, below: float = math.inf, most: float = math.inf
) -> None:
    """ValueError unless `value` is a finite number with `above < value < below` and `least <= value <= most`. A traced one is taken as it is."""
    if isinstance(value, Tracer):
        return
    try:
        found = math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not (math.isfinite(found) and above < found < below and least <= found <= most):
        named = (("above", above), ("at least", least), ("below", below), ("at most", most))
        limits = [f"{word} {limit:g}" for word, limit in named if math.isfinite(limit)]
        raise ValueError(f"{name}={value!r}; accepted: a finite number{' ' * bool(limits)}{' and '.join(limits)}.")


def counts(where: str, **values: Any) -> None:
    """`count` for each of the values of `where`, by name: ValueError for the first that is no integer of at least 1."""
    for name, value in values.items():
        count(f"{where}: {name}", value)
