"""The folder of a study: its predictions are stored before the first run, and each cell when it is done."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

import jaxgen
from jaxgen.atomic import write_json, written_by_jaxgen
from jaxgen.studies.study import Cell, Row, Study, good_rows

HEAD, CELLS, PAGE = "study.json", "cells", "study.html"


def cell_name(cell: Cell) -> str:
    """Return the name of a cell, which is also that of its file: its texts and numbers, and a digest that tells cells apart.

    >>> cell_name({"model": "maf", "seed": 3})
    'maf-3-4255'
    """
    digest = hashlib.sha256(json.dumps(cell, sort_keys=True).encode()).hexdigest()[:4]
    words = [str(v) for v in cell.values() if isinstance(v, (str, int, float))]
    return re.sub(r"[^A-Za-z0-9.,_-]+", "_", "-".join([*words, digest]))[-120:]


def declare(out: Path, study: Study, settings: dict[str, Any]) -> None:
    """Store the question, the predictions and the settings of a study before its first run.

    Args:
        out: Folder of the study.
        study: The study.
        settings: What the user chose, as JSON holds it.

    Raises:
        ValueError: The folder holds the study with other predictions or settings, whose runs must not be mixed with these.
    """
    head = {
        "study": study.name,
        "question": study.question,
        "predictions": [{"claim": p.claim, "refuted_by": p.refuted_by} for p in study.predictions],
        "settings": settings,
    }
    path = out / HEAD
    if path.is_file():
        with written_by_jaxgen(f"--resume {out}: {HEAD}"):
            there = dict(json.loads(path.read_text(encoding="utf-8")))
        for name, value in head.items():
            if there.get(name) != json.loads(json.dumps(value)):
                raise ValueError(f"--resume {out}: the study there has other {name}; accepted: the same, or another folder.")
        return
    write_json(path, {**head, "versions": {"jaxgen": jaxgen.__version__, "jax": jax.__version__}})


def stored_rows(out: Path, cell: Cell) -> list[Row] | None:
    """Return the rows of a cell that is done, or None if it is not, or if one of its runs failed.

    Args:
        out: Folder of the study.
        cell: The cell.
    """
    path = out / CELLS / f"{cell_name(cell)}.json"
    if not path.is_file():
        return None
    with written_by_jaxgen(f"--resume {out}: {CELLS}/{path.name}"):
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return None if any(row["status"].startswith("failed") for row in rows) else rows


def store_rows(out: Path, cell: Cell, rows: Sequence[Row], seconds: float) -> None:
    """Store the rows of a cell.

    Args:
        out: Folder of the study.
        cell: The cell.
        rows: Its rows.
        seconds: How long the cell took.
    """
    write_json(out / CELLS / f"{cell_name(cell)}.json", {"cell": cell, "seconds": seconds, "rows": list(rows)})


def conclude(out: Path, study: Study) -> dict[str, Any]:
    """Judge the predictions by all cells that are stored, and add rows and verdicts to the file of the study.

    Args:
        out: Folder of the study.
        study: The study.

    Returns:
        The content of the file: question, predictions with verdicts, settings, versions and rows.
    """
    cells = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((out / CELLS).glob("*.json"))]
    rows = [row for cell in cells for row in cell["rows"]]
    record = json.loads((out / HEAD).read_text(encoding="utf-8"))
    verdicts = [p.judge(good_rows(rows)) for p in study.predictions]
    record |= {"verdicts": [v._asdict() for v in verdicts], "rows": rows, "seconds": sum(cell["seconds"] for cell in cells)}
    write_json(out / HEAD, record)
    return record
