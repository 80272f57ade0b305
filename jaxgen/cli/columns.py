"""What a command says of a table's columns before it trains on them."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from jaxgen import viz
from jaxgen.data import Column, Dataset
from jaxgen.data.columns import WHOLE
from jaxgen.viz.study import Run, Section
from jaxgen.zoo import Prepared

ROWS_FOR_EACH = 20
"""How many training rows a column should have; with fewer the largest of these models learns the rows by heart."""


def show(name: str, prepared: Prepared) -> None:
    """Print each column of a table with its type, its values and what is done with it, and a warning if there are few rows.

    Args:
        name: What the table is called.
        prepared: The entry and the data, prepared for each other; data without columns prints nothing.
    """
    if prepared.layout is None:
        return
    table = Table("column", "type", "values", "what is done with it", title=name, title_justify="left")
    for cells in rows(prepared):
        table.add_row(*cells)
    Console().print(table)
    warning = few_rows(prepared.data)
    if warning is not None:
        print(f"warning: {name}: {warning}", file=sys.stderr)


def rows(prepared: Prepared) -> list[tuple[str, str, str, str]]:
    """Return for each column of a table its name, its type, its values and what is done with it."""
    layout = prepared.layout
    assert layout is not None
    described = []
    for column, marginal in zip(layout.schema.event, layout.marginals, strict=True):
        if column.kind == "category":
            how = "a code, exact" if layout.coded else "the sign or the largest of real numbers: a lower bound"
        else:
            how = str(marginal) + (", dequantised: a lower bound" if column.kind in WHOLE else "")
        if column.missing:
            how += ", gaps trained on" if layout.partial else ", gaps modelled" if column.kind != "category" else ""
        described.append((column.name, column.kind, _values(column), how))
    described += [(column.name, column.kind, _values(column), "condition") for column in layout.schema.cond]
    return described + [(c.name, c.kind, _values(c), "left out, and put back into samples") for c in layout.schema.constant]


def few_rows(data: Dataset) -> str | None:
    """Return a sentence if a table has fewer training rows than a model can learn from; None otherwise.

    Args:
        data: The data set.
    """
    num, width = data.train.shape
    wanted = max(100, ROWS_FOR_EACH * width)
    if num >= wanted:
        return None
    return (
        f"{num} training rows for {width} coordinates are few: the model can learn them by heart. Compare the validation loss with the training "
        f"loss, choose a small --width, or bring {wanted} rows."
    )


def write_page(path: Path, model: str, data: str, figures: Mapping[str, Any]) -> None:
    """Write the page of a table's evaluation.

    Args:
        path: The file.
        model: The model's name.
        data: The table's name.
        figures: What `jaxgen.evaluation.evaluate` and `table_figures` returned.
    """
    rows = [Run((name, _shown(figures[name]), _shown(figures[f"{name}_floor"]))) for name in QUESTIONS]
    columns = [
        Run((name, _shown(f["shape_error"]), _shown(f["floor"]), _shown(f.get("gap_error")))) for name, f in figures["columns"].items()
    ]
    worst = sorted(figures["pairs"], key=lambda pair: -pair["trend_error"])[:50]
    pairs = [Run((" and ".join(pair["columns"]), _shown(pair["trend_error"]), _shown(pair["floor"]))) for pair in worst]
    floor = "the same of training rows in the place of samples"
    by_column = {"column": "the column", "shape error": "KS statistic, or total variation of labels", "floor": floor}
    by_column["gap error"] = "difference of the shares of missing cells"
    by_pair = {"columns": "the pair", "trend error": "half the difference of correlations, or total variation", "floor": floor}
    viz.write_study(
        path,
        f"jaxgen evaluate: {model} on {data}",
        [f"Negative log-likelihood {_shown(figures.get('nll'))} nats a row, {figures.get('nll_kind') or 'implicit'}.", *QUESTIONS.values()],
        {"figure": "what is measured", "samples": "of samples", "floor": f"{floor}; for the closest record, of test rows"},
        rows,
        [
            Section("Columns", "How far the distribution of each column is from the data's.", (), by_column, columns),
            *(
                [Section("Pairs of columns", "The pairs whose dependence is farthest from the data's.", (), by_pair, pairs)]
                if pairs
                else []
            ),
        ],
        {"model": model, "data": data},
    )


QUESTIONS = {
    "shape_error": "shape_error is the mean distance of a column's distribution from the data's, 0 to 1.",
    "trend_error": "trend_error is the same of the dependence of two columns.",
    "detection_auc": "detection_auc is 0.5 if a classifier cannot tell samples from data, and 1 if it always can.",
    "closest_record": "closest_record is the median distance to a training row: far below its floor, samples repeat records.",
    "copies": "copies is the share of samples that equal a training row.",
}


def _shown(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.4g}"


def _values(column: Column) -> str:
    if column.labels:
        given = [label for label in column.labels if label]
        return ", ".join(given[:6]) + (f", ... ({len(given)} labels)" if len(given) > 6 else "")
    if column.kind in ("date", "time"):
        return " to ".join(str(day) for day in column.cells(np.array([column.low, column.high])))
    return f"{column.low:g}" if column.kind == "constant" else f"{column.low:g} to {column.high:g}"
