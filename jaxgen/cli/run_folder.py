"""Run folders: which folder may be written, and what an earlier run left there."""

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

# The file that shows that jaxgen wrote a folder, the keys that this file has, and the other names that belong to it.
_RUNS = {
    "config.json": (("name", "event_shape"), ("metrics.jsonl", "checkpoints", "evaluation.json", "diagnosis.json")),
    "results.json": (("model", "seed", "status"), ("report.html", "pictures")),
    "study.json": (("study", "question", "predictions"), ("cells", "study.html")),
}


def open_folder(out: Path, resume: bool, overwrite: bool) -> Path:
    """Check and make the folder of a run; nothing in it is removed yet (see `clear`).

    Args:
        out: The folder.
        resume: Whether the user wants to go on with an earlier run.
        overwrite: Whether the user wants to start again.

    Returns:
        The folder.

    Raises:
        FileExistsError: The folder is not empty and neither option was given, or it holds files that have jaxgen's names but were not
            written by jaxgen.
        NotADirectoryError: The path is a file.
        ValueError: Both options were given, or the folder cannot be made.
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
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {out}: {error.strerror}; accepted: a folder that can be made.") from None
    return out


def clear(out: Path) -> None:
    """Remove what an earlier run of jaxgen left in `out`; all other files stay."""
    for head, (_, rest) in _RUNS.items():
        for name in (head, *rest):
            if (out / name).is_dir():
                shutil.rmtree(out / name)
            else:
                (out / name).unlink(missing_ok=True)


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
    rows = json.loads(path.read_text()) if path.is_file() else []
    for row in rows:
        there = row.get("settings", settings)
        other = [f"{name} {there[name]}, not {here}" for name, here in settings.items() if there.get(name, here) != here]
        if other:
            raise ValueError(
                f"--resume {out}: {row['model']} was run there with {'; '.join(other)}; accepted: the same, or another folder."
            )
    return rows


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
