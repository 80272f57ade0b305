"""Checks of what was typed, made before a command starts its work or touches a file."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

ENDINGS = (".npy", ".csv")


def count(option: str, value: int | None, least: int = 1) -> None:
    """ValueError naming `option` unless `value` is None or at least `least`."""
    if value is not None and value < least:
        raise ValueError(f"{option} {value}: accepted: an integer of at least {least}.")


def memory(option: str, value: int, *event_shape: int) -> None:
    """ValueError where `value` events of that shape with their keys exceed the machine's memory: the runtime would abort, without an error."""
    if not hasattr(os, "sysconf") or not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(os.sysconf_names):
        return
    needed, have = value * (16 + 8 * math.prod(event_shape)), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > have:
        raise ValueError(f"{option} {value}: takes about {needed / 1e9:.3g} GB, and this machine has {have / 1e9:.3g}; accepted: fewer.")


def seed(value: int, option: str = "--seed") -> None:
    """ValueError unless `value` is a seed of its own: JAX keeps 32 bits, so that a larger one would silently be another."""
    if not 0 <= value < 2**32:
        raise ValueError(f"{option} {value}: accepted: an integer from 0 to {2**32 - 1}.")


def table_file(option: str, path: Path | None) -> None:
    """ValueError unless `path` is None or may be written as a table."""
    if path is None:
        return
    if path.suffix not in ENDINGS:
        raise ValueError(f"{option} {path}: accepted endings: {', '.join(ENDINGS)}.")
    file(option, path)


def file(option: str, path: Path | None) -> None:
    """ValueError where `path` cannot be a file: it is a folder, or lies below a file."""
    if path is not None and path.is_dir():
        raise ValueError(f"{option} {path}: this is a folder; name a file.")
    above = [] if path is None else [p for p in path.parents if p.exists() and not p.is_dir()]
    if above:
        raise ValueError(f"{option} {path}: {above[0]} is a file, not a folder.")


def seeds(values: Sequence[int]) -> None:
    """ValueError unless there is a seed, and each is one."""
    if not values:
        raise ValueError("--seeds: give at least one.")
    for value in values:
        seed(value, "--seeds")
