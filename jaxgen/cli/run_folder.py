"""Run folders: what may be written where, and what is in them."""

import shutil
from pathlib import Path


def open_folder(out: Path, resume: bool, overwrite: bool) -> Path:
    """Make `out` ready to be written. FileExistsError where it holds something and neither `resume` nor `overwrite` was given.

    `overwrite` removes only what jaxgen writes; other people's files in the folder stay.
    """
    if resume and overwrite:
        raise ValueError("--resume and --overwrite exclude each other.")
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"--out {out}: this is a file; name a folder.")
    if out.is_dir() and any(out.iterdir()) and not (resume or overwrite):
        raise FileExistsError(
            f"--out {out}: the folder is not empty; give --resume to go on, --overwrite to start again, or another folder."
        )
    if overwrite and out.is_dir():
        for name in ("config.json", "metrics.jsonl", "results.json", "report.html", "evaluation.json"):
            (out / name).unlink(missing_ok=True)
        for name in ("checkpoints", "pictures"):
            shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    return out
