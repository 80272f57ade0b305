"""One self-contained HTML page: the table of results, then a row of pictures for each entry under the heading of its family."""

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from jaxgen.atomic import write_text
from jaxgen.viz import table
from jaxgen.viz.figure import figure_png, webp
from jaxgen.viz.palette import Family
from jaxgen.viz.table import Result

MOST_BYTES = 7_500_000
"""How much the pictures and the atlas of a page take; with its tables it stays below 8 MB."""
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
    atlas: Mapping[str, Any] | None = None,
    boards: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the page of a comparison; nothing in it refers to another file or host.

    An earlier page is replaced in one step, so that a reader never sees half of it.

    Args:
        path: The file to write.
        title: Title of the page.
        results: One mapping for each entry, with `model`, `family`, `status` ("ok", or "failed: reason") and the fields of `table.COLUMNS`.
            The family's `accent` and `sentence` style its heading.
            `readings`, a mapping from names to fields, is shown as rows below the entry. Any field but `model` may be absent or None.
        pictures: PNG bytes or a figure by the name of the model, or by "name/anything". If all of them and the atlas would make the page
            larger than 8 MB, they become WebP, which loses a little.
        settings: Settings, shown as pairs.
        notes: Notes, shown as a list; a string is one note.
        atlas: What `jaxgen.viz.atlas.page.section` returned, shown above the table, whose rows then link to its panels; None shows none.
        boards: Leaderboards, each with `title`, `meaning` and `rows` of `rank`, `model`, `mean`, `low`, `high` (None for one seed), `seeds`,
            `samples_per_second` and `front`; they stand below the table.

    Raises:
        ValueError: A result has no model, or a picture belongs to a model that no result names.
    """
    for index, result in enumerate(results):
        if not result.get("model"):
            raise ValueError(f"write_report: results[{index}] has model {result.get('model')!r}; accepted: the name of a model.")
    page = (
        environment()
        .get_template("report.html")
        .render(
            title=title,
            introduction=INTRODUCTION,
            columns=table.COLUMNS,
            entries=_entries(results),
            families=_families(results, pictures, MOST_BYTES - (len(atlas["json"]) if atlas else 0)),
            settings=settings,
            notes=[notes] if isinstance(notes, str) else list(notes),
            atlas=atlas,
            boards=[{**board, "rows": [_place(row) for row in board["rows"]]} for board in boards],
            places={} if atlas is None else {card["label"]["name"]: f"#atlas-{i}" for i, card in enumerate(atlas["cards"])},
        )
    )
    write_text(path, page)


def _place(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a leaderboard as text."""
    number = table.fixed(3)
    within = "" if row["low"] is None else f"[{number(row['low'])}, {number(row['high'])}]"
    return {**row, "mean": number(row["mean"]), "within": within, "speed": table.rate(row["samples_per_second"])}


def _entries(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return one group of table rows for each result: its cells, the cells of its other readings, and why it failed."""
    best = table.best_values([*results, *(fields for result in results for _, fields in _readings(result))])
    return [
        {
            "model": result["model"],
            "family": _style(result),
            "cells": table.cells(result, best),
            "readings": [
                (name, table.cells(fields, best, missing=""), _other_reason(fields, result)) for name, fields in _readings(result)
            ],
            "reason": _reason(result),
        }
        for result in results
    ]


def _embedded(pictures: Mapping[str, bytes | Figure], room: float) -> dict[str, str]:
    """Return each picture as the address of its data. PNG files that take more than `room` bytes become WebP, at a quality that lets them fit."""
    files = {key: figure_png(picture) if isinstance(picture, Figure) else picture for key, picture in pictures.items()}
    kind, smaller = "png", files
    for quality in (85, 70, 50, 30):
        if 4 / 3 * sum(map(len, smaller.values())) <= room:
            break
        kind, smaller = "webp", {key: webp(png, quality) for key, png in files.items()}
    return {key: f"data:image/{kind};base64,{base64.b64encode(file).decode('ascii')}" for key, file in smaller.items()}


def _families(results: Sequence[Result], pictures: Mapping[str, bytes | Figure], room: float) -> list[dict[str, Any]]:
    """Return the families in the order of the results, each with the pictures of its entries; a failed entry needs no picture."""
    by_model: dict[str, list[str]] = {str(result["model"]): [] for result in results}
    for key, picture in _embedded(pictures, room).items():
        model = key if key in by_model else key.split("/")[0]
        if model not in by_model:
            raise ValueError(f"write_report: pictures holds {key!r}, which no result names; accepted: {sorted(by_model)}.")
        by_model[model].append(picture)
    families: dict[str, dict[str, Any]] = {}
    for result in results:
        model, style = str(result["model"]), _style(result)
        images = by_model.pop(model, None)  # several seeds of one model share its pictures
        if images or (images is not None and table.failed(result)):
            entry = {"model": model, "facts": _facts(result), "reason": _reason(result), "images": images}
            families.setdefault(style.title, {"style": style, "entries": []})["entries"].append(entry)
    return list(families.values())


def _style(result: Result) -> Family:
    """How the result's family is presented, by what the result says of it."""
    said = {field: str(result[field]) for field in ("accent", "sentence") if result.get(field)}
    return Family(str(result.get("family") or "other"), **said)


def _facts(result: Result) -> list[str]:
    """Return what the caption of a picture says about its entry."""
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
    """Return the other readings by name, with the status of the entry if they have none: a reading of a failed entry is never the best."""
    return [(name, {"status": result.get("status"), **fields, "reading": name}) for name, fields in (result.get("readings") or {}).items()]


def _reason(result: Result) -> str:
    return str(result["status"]) if table.failed(result) else ""


def _other_reason(reading: Result, result: Result) -> str:
    return _reason(reading) if reading.get("status") != result.get("status") else ""


def environment() -> jinja2.Environment:
    """Return the environment from which templates are rendered; text is never markup."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
