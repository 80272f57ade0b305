"""The page of a study, made of its record alone: the question, what was predicted and what came of it, the rows, the figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxgen import viz
from jaxgen.studies.record import PAGE
from jaxgen.studies.study import Row, Table, good_rows

VERDICTS = {True: "holds", False: "refuted", None: "not decided"}
_PREDICTIONS = {
    "prediction": "What was written down before the first run.",
    "refuted by": "What would refute it.",
    "verdict": "What the runs make of it.",
    "evidence": "The figures that decide.",
}


def write_page(out: Path, record: dict[str, Any], table: Table) -> None:
    """Write the page of a study.

    Args:
        out: Folder of the study; study.html is written there.
        record: The content of its file, as `conclude` returns it.
        table: What the page shows of the rows.
    """
    rows: Sequence[Row] = record["rows"]
    judged = zip(record["predictions"], record["verdicts"], strict=True)
    claims = [viz.Run([p["claim"], p["refuted_by"], VERDICTS[v["holds"]], v["evidence"]]) for p, v in judged]
    predictions = viz.Section("Predictions", "These were stored before the first run.", columns=_PREDICTIONS, runs=claims)
    runs = [viz.Run(_texts(row, table), "" if row["status"] == "ok" else row["status"]) for row in rows]
    viz.write_study(
        out / PAGE,
        f"jaxgen study {record['study']}",
        [record["question"]],
        table.columns,
        runs,
        [predictions, *table.sections(good_rows(rows))],
        {**record["settings"], **record["versions"], "seconds of all runs": f"{record['seconds']:.0f}"},
    )


def _texts(row: Row, table: Table) -> list[str]:
    """Return the cells of a row; a row without figures shows what it has."""
    if row["status"] == "ok":
        return list(table.cells(row))
    head = [str(value) for name, value in row.items() if name != "status"][: len(table.columns)]
    return head + ["-"] * (len(table.columns) - len(head))
