"""Run folders: which folder may be written and by whom, and what an earlier run left there."""

import contextlib
import json
import math
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxgen.atomic import require_writable, written_by_jaxgen

# The file that shows that jaxgen wrote a folder, the keys that this file has, and the other names that belong to it.
_RUNS = {
    "config.json": (("name", "event_shape"), ("metrics.jsonl", "checkpoints", "evaluation.json", "evaluation.html", "diagnosis.json")),
    "results.json": (("model", "seed", "status"), ("report.html", "pictures")),
    "study.json": (("study", "question", "predictions"), ("cells", "study.html")),
}


def open_folder(out: Path, resume: bool, overwrite: bool, shared: bool = False) -> Path:
    """Check, make and lock the folder of a run; nothing in it is removed yet (see `clear` and `set_aside`).

    The lock belongs to this process and goes with it, however it ends.

    Args:
        out: The folder.
        resume: Whether the user wants to go on with an earlier run.
        overwrite: Whether the user wants to start again.
        shared: Whether other processes may work in the folder at the same time; it is then not locked.

    Returns:
        The folder.

    Raises:
        FileExistsError: The folder is not empty and neither option was given, or it holds files that have jaxgen's names but were not
            written by jaxgen.
        NotADirectoryError: The path is a file.
        ValueError: Both options were given, the folder cannot be made or written, or another process works in it.
    """
    if resume and overwrite:
        raise ValueError("--resume --overwrite: both are given; accepted: one of the two.")
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"--out {out}: this is a file; accepted: a folder.")
    if out.is_dir() and any(out.iterdir()) and not (resume or overwrite):
        raise FileExistsError(
            f"--out {out}: the folder is not empty; accepted: --resume to go on, --overwrite to start again, or another folder."
        )
    for head in _RUNS:
        foreign = _foreign(out, head)
        if foreign:
            raise FileExistsError(f"--out {out}: {foreign} there was not written by jaxgen; accepted: a folder without such a file.")
    try:
        require_writable(out)
    except OSError as error:
        raise ValueError(f"--out {out}: {error.strerror}; accepted: a folder that can be made and written.") from None
    if not shared:
        lock(out)
    return out


_LOCKS: dict[tuple[int, int], int] = {}
"""The open folders that this process has locked, by device and inode. The kernel holds a lock as long as the folder is open."""


def lock(out: Path) -> None:
    """Take a folder for this process until it ends.

    Args:
        out: The folder.

    Raises:
        ValueError: Another process has taken it and still runs.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such locks.
        return
    number = os.open(out, os.O_RDONLY)
    status = os.fstat(number)
    if (status.st_dev, status.st_ino) in _LOCKS:
        os.close(number)
        return
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        raise ValueError(
            f"--out {out}: another process of jaxgen works in this folder; accepted: another folder, or wait for its end."
        ) from None
    except OSError:  # A file system without locks.
        os.close(number)
        return
    _LOCKS[status.st_dev, status.st_ino] = number


_ASIDE = ".before"


def set_aside(out: Path) -> None:
    """Move what an earlier run of jaxgen left in `out` into the hidden folder `.before`, where it stays until `discard_aside`.

    If `.before` is there already, the run in it is the last whole one, and what has come after it is removed.
    """
    if (out / _ASIDE).is_dir():
        clear(out)
    for name in _present(out):
        (out / _ASIDE).mkdir(exist_ok=True)
        os.replace(out / name, out / _ASIDE / name)


def discard_aside(out: Path) -> None:
    """Remove what `set_aside` moved, because another run has taken its place."""
    shutil.rmtree(out / _ASIDE, ignore_errors=True)


def clear(out: Path, but: Collection[str] = ()) -> None:
    """Remove what an earlier run of jaxgen left in `out`; all other files stay.

    Args:
        out: The folder.
        but: Names that stay, because the new run has written them.
    """
    for name in _present(out):
        if name in but:
            continue
        with contextlib.suppress(FileNotFoundError):
            (shutil.rmtree if (out / name).is_dir() else os.unlink)(out / name)


def _present(out: Path) -> list[str]:
    return [name for head, (_, rest) in _RUNS.items() for name in (head, *rest) if (out / name).exists()]


def _foreign(out: Path, head: str) -> str | None:
    """Return the first file or folder in `out` that has one of jaxgen's names but was not written by jaxgen."""
    keys, rest = _RUNS[head]
    present = [name for name in (head, *rest) if (out / name).exists()]
    if not present:
        return None
    try:
        value = json.loads((out / head).read_text())
    except (OSError, ValueError):
        return present[0]
    rows = value if isinstance(value, list) else [value]
    return None if all(isinstance(row, dict) and set(keys) <= set(row) for row in rows) else head


def earlier_rows(out: Path, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read the rows of `results.json` in a run folder.

    Args:
        out: The folder.
        settings: The settings of the present run; a page must not mix rows of different settings.

    Returns:
        The rows, none if there is no such file.

    Raises:
        ValueError: A row was made with other settings.
    """
    path = out / "results.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    with written_by_jaxgen(f"--resume {out}: results.json"):
        for row in rows:
            _require_parts(row)
    for row in rows:
        there = row.get("settings", settings)
        other = [f"{name} {there[name]}, not {here}" for name, here in settings.items() if there.get(name, here) != here]
        if other:
            raise ValueError(
                f"--resume {out}: {row['model']} was run there with {'; '.join(other)}; accepted: the same, or another folder."
            )
    return rows


def _require_parts(row: dict[str, Any]) -> None:
    """Raise some error unless the parts of a row that a page looks into are as `compare` writes them."""
    parts = [row.get("settings", {}), *(row.get("readings") or {}).values(), *row.get("detectors", ())]
    if not all(isinstance(part, dict) for part in parts) or not all(
        {"name", "text", "alarm"} <= set(part) for part in row.get("detectors", ())
    ):
        raise TypeError("a row with other parts")


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: a number that is not finite becomes None, also inside dicts, lists and tuples.

    >>> plain({"nll": float("nan"), "shares": (0.5, 1.0)})
    {'nll': None, 'shares': [0.5, 1.0]}
    """
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
