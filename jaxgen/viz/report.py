"""One self-contained HTML page: the results table, then a row of pictures per entry under its family's heading."""

import base64
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from jaxgen.viz import table
from jaxgen.viz.palette import family_style
from jaxgen.viz.row import figure_png
from jaxgen.viz.table import Result

_TEMPLATES = Path(__file__).parent / "templates"
INTRODUCTION = (
    "A generative model is a probability transformation function:",
    "a base distribution supplies noise,",
    "a pure function turns the noise into data,",
    "and an objective finds the function’s parameters and is dropped at inference.",
    "The families below differ in the function and in the objective, never in that idea.",
)


def write_report(
    path: str | os.PathLike[str],
    title: str,
    results: Sequence[Result],
    pictures: Mapping[str, bytes | Figure],
    settings: Mapping[str, Any],
    notes: Sequence[str] | str = (),
) -> None:
    """Write the page to `path`, replacing what is there in one step, so a reader never sees half of it.

    `results` holds one mapping per entry with the fields of `table.COLUMNS`, `model`, `family`, `status` ("ok", or "failed: reason") and
    optionally `readings: {name: fields}`, shown as rows below the entry; any field may be absent or None. `pictures` maps a model's name
    (or "name/anything") to PNG bytes or a Figure. `settings` are shown as pairs, `notes` as a list; one note may be a plain string.
    Nothing in the page refers to another file or host. Raises ValueError for a result without a model and for a picture of a model that
    no result names.
    """
    for index, result in enumerate(results):
        if not result.get("model"):
            raise ValueError(f"results[{index}] has model {result.get('model')!r}; every result needs the name of its model")
    page = (
        environment()
        .get_template("report.html")
        .render(
            title=title,
            introduction=INTRODUCTION,
            columns=table.COLUMNS,
            entries=_entries(results),
            families=_families(results, pictures),
            settings=settings,
            notes=[notes] if isinstance(notes, str) else list(notes),
        )
    )
    replace(Path(path), page)


def _entries(results: Sequence[Result]) -> list[dict[str, Any]]:
    """One table group per result: its cells, those of its other readings, and why it failed."""
    best = table.best_values([*results, *(fields for result in results for _, fields in _readings(result))])
    return [
        {
            "model": result["model"],
            "family": family_style(str(result.get("family") or "")),
            "cells": table.cells(result, best),
            "readings": [(name, table.cells(fields, best, missing=""), _own_reason(fields, result)) for name, fields in _readings(result)],
            "reason": _reason(result),
        }
        for result in results
    ]


def _families(results: Sequence[Result], pictures: Mapping[str, bytes | Figure]) -> list[dict[str, Any]]:
    """Families in order of first appearance, each with its entries' pictures; a failed entry without a picture keeps its place."""
    by_model: dict[str, list[str]] = {str(result["model"]): [] for result in results}
    for key, picture in pictures.items():
        model = key if key in by_model else key.split("/")[0]
        if model not in by_model:
            raise ValueError(f"pictures holds {key!r}, which no result names; the models of the results are {sorted(by_model)}")
        png = figure_png(picture) if isinstance(picture, Figure) else picture
        by_model[model].append(base64.b64encode(png).decode("ascii"))
    families: dict[str, dict[str, Any]] = {}
    for result in results:
        model, style = str(result["model"]), family_style(str(result.get("family") or ""))
        images = by_model.pop(model, None)  # several seeds of one model share its pictures
        if images or (images is not None and table.failed(result)):
            entry = {"model": model, "facts": _facts(result), "reason": _reason(result), "images": images}
            families.setdefault(style.title, {"style": style, "entries": []})["entries"].append(entry)
    return list(families.values())


def _facts(result: Result) -> list[str]:
    """What a picture's caption says of its entry, in few words."""
    facts = [str(result[field]) for field in ("objective", "reading") if result.get(field) not in (None, "", "default")]
    row = dict(zip((column.field for column in table.COLUMNS), table.cells(result, {}), strict=True))
    if result.get("nll") is not None:
        facts.append(f"NLL {row['nll'].text} ({row['nll_kind'].text})")
    if result.get("sliced_w2") is not None:
        facts.append(f"sliced W₂ {row['sliced_w2'].text}")
    if result.get("nfe") is not None:
        facts.append(f"{row['nfe'].text} evaluation{'' if result['nfe'] == 1 else 's'} per sample")
    return facts


def _readings(result: Result) -> list[tuple[str, Result]]:
    """The other readings by name, each with the entry's status unless it has its own: what is read off a failed entry is never the best."""
    return [(name, {"status": result.get("status"), **fields, "reading": name}) for name, fields in (result.get("readings") or {}).items()]


def _reason(result: Result) -> str:
    return str(result["status"]) if table.failed(result) else ""


def _own_reason(reading: Result, result: Result) -> str:
    return _reason(reading) if reading.get("status") != result.get("status") else ""


def environment() -> jinja2.Environment:
    """Where the pages' templates are read from; text is never markup."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def replace(path: Path, text: str) -> None:
    """Write `text` to `path` in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner may read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
