"""Run folders: what may be written where, and what is in them."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# A file that says whose the folder is, the keys it then has, and what belongs to it.
_RUNS = {
    "config.json": (("name", "event_shape"), ("metrics.jsonl", "checkpoints", "evaluation.json")),
    "results.json": (("model", "seed", "status"), ("report.html", "pictures")),
}


def open_folder(out: Path, resume: bool, overwrite: bool) -> Path:
    """Make `out` ready to be written; nothing in it is removed yet (see `clear`).

    FileExistsError where it holds something and neither `resume` nor `overwrite` was given, or holds files of the names jaxgen writes that
    jaxgen did not write.
    """
    if resume and overwrite:
        raise ValueError("--resume and --overwrite exclude each other.")
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"--out {out}: this is a file; name a folder.")
    if out.is_dir() and any(out.iterdir()) and not (resume or overwrite):
        raise FileExistsError(
            f"--out {out}: the folder is not empty; give --resume to go on, --overwrite to start again, or another folder."
        )
    for head in _RUNS:
        foreign = _foreign(out, head)
        if foreign:
            raise FileExistsError(f"--out {out}: {foreign} there was not written by jaxgen; move it away or choose another folder.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {out}: this folder cannot be made: {error.strerror}.") from None
    return out


def clear(out: Path) -> None:
    """Remove what an earlier run of jaxgen left in `out`; other people's files in the folder stay."""
    for head, (_, rest) in _RUNS.items():
        for name in (head, *rest):
            if (out / name).is_dir():
                shutil.rmtree(out / name)
            else:
                (out / name).unlink(missing_ok=True)


def _foreign(out: Path, head: str) -> str | None:
    """The first file or folder in `out` that bears one of jaxgen's names without being jaxgen's."""
    keys, rest = _RUNS[head]
    found = [name for name in (head, *rest) if (out / name).exists()]
    if not found:
        return None
    try:
        value = json.loads((out / head).read_text())
    except (OSError, ValueError):
        return found[0]
    rows = value if isinstance(value, list) else [value]
    return None if all(isinstance(row, dict) and set(keys) <= set(row) for row in rows) else head


def earlier_rows(out: Path, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of `results.json` in `out`. ValueError where they were made with other settings: one page compares like with like."""
    path = out / "results.json"
    rows = json.loads(path.read_text()) if path.is_file() else []
    for row in rows:
        there = row.get("settings", settings)
        other = [f"{name} {there[name]}, not {here}" for name, here in settings.items() if there.get(name, here) != here]
        if other:
            raise ValueError(f"--resume {out}: {row['model']} was run there with {'; '.join(other)}; use the same, or another folder.")
    return rows
