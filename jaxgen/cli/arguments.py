"""Checks of the options that a user typed, made before a command starts its work or touches a file."""

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from jaxgen.data.writers import ENDINGS


def count(option: str, value: int | None, least: int = 1) -> None:
    """Refuse an option whose value is below `least`.

    Args:
        option: The option as the user types it, for the message.
        value: Its value; None is an option that was not given.
        least: The smallest number accepted.

    Raises:
        ValueError: `value` is smaller.

    >>> count("--steps", 0)
    Traceback (most recent call last):
    ValueError: --steps 0: accepted: an integer of at least 1.
    """
    if value is not None and value < least:
        raise ValueError(f"{option} {value}: accepted: an integer of at least {least}.")


def memory(option: str, value: int, *event_shape: int) -> None:
    """Raise ValueError if `value` events of a shape, with their keys, exceed the memory of the machine.

    Without this check the runtime would abort without an error message.

    Args:
        option: Name of the option.
        value: Number of events.
        event_shape: Shape of one event.
    """
    if not hasattr(os, "sysconf") or not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(os.sysconf_names):
        return
    needed, have = value * (16 + 8 * math.prod(event_shape)), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > have:
        raise ValueError(f"{option} {value}: takes about {needed / 1e9:.3g} GB, and this machine has {have / 1e9:.3g}; accepted: fewer.")


def seed(value: int, option: str = "--seed") -> None:
    """Refuse a seed that does not fit 32 bits, because JAX would silently cut it to another one.

    Args:
        value: The seed.
        option: The option as the user types it, for the message.

    Raises:
        ValueError: The seed does not fit 32 bits.
    """
    if not 0 <= value < 2**32:
        raise ValueError(f"{option} {value}: accepted: an integer from 0 to {2**32 - 1}.")


def table_file(option: str, path: Path | None) -> None:
    """Refuse an option whose value is no file that may be written as a table.

    Args:
        option: The option as the user types it, for the message.
        path: Its value; None is an option that was not given.

    Raises:
        ValueError: `path` is a folder, lies below a file, or ends in something else than a table does.
    """
    if path is None:
        return
    if path.suffix not in ENDINGS:
        raise ValueError(f"{option} {path}: accepted: a file that ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}.")
    file(option, path)


def file(option: str, path: Path | None) -> None:
    """Refuse an option whose value cannot be written as a file.

    Args:
        option: The option as the user types it, for the message.
        path: Its value; None is an option that was not given.

    Raises:
        ValueError: `path` is a folder or lies below a file.
    """
    if path is not None and path.is_dir():
        raise ValueError(f"{option} {path}: this is a folder; accepted: a file.")
    above = [] if path is None else [p for p in path.parents if p.exists() and not p.is_dir()]
    if above:
        raise ValueError(f"{option} {path}: {above[0]} is a file, not a folder; accepted: a path below folders.")


def pairs(option: str, values: Sequence[str]) -> dict[str | int, str]:
    """Read `name=value` pairs, which stand apart or with commas between them; a whole number that is the name of a column is an index.

    Args:
        option: The option as the user types it, for the message.
        values: What the user typed.

    Raises:
        ValueError: A text is no pair.

    >>> pairs("--given", ["age=35,smoker=yes", "0=1,5"])
    {'age': '35', 'smoker': 'yes', 0: '1,5'}
    """
    found: dict[str | int, str] = {}
    for text in values:
        for pair in re.split(r",(?=[^,=]+=)", text):
            name, sign, value = (part.strip() for part in pair.partition("="))
            if not name or not sign or not value:
                raise ValueError(f"{option} {pair}: accepted: name=value, such as age=35.")
            found[int(name) if name.isdecimal() else name] = value
    return found


def seeds(values: Sequence[int]) -> None:
    """Raise ValueError unless there is at least one seed, and each fits 32 bits."""
    if not values:
        raise ValueError("--seeds: none given; accepted: one or more.")
    for value in values:
        seed(value, "--seeds")
