"""The page of a study: a table of runs, then figures under their headings, in one self-contained HTML file."""

import base64
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from jaxgen.atomic import write_text
from jaxgen.viz.figure import figure_png
from jaxgen.viz.report import environment


class Run(NamedTuple):
    """A row of a table: its cells, and a remark that is shown in red below it unless it is empty."""

    cells: Sequence[str]
    remark: str = ""


class Section(NamedTuple):
    """A part of the page: a heading, a paragraph, pictures as PNG bytes or figures, and a table of `runs` under `columns`."""

    heading: str
    text: str
    pictures: Sequence[bytes | Figure] = ()
    columns: Mapping[str, str] = MappingProxyType({})
    runs: Sequence[Run] = ()


def write_study(
    path: str | os.PathLike[str],
    title: str,
    introduction: Sequence[str],
    columns: Mapping[str, str],
    runs: Sequence[Run],
    sections: Sequence[Section],
    settings: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> None:
    """Write the page of a study; nothing in it refers to another file or host.

    Args:
        path: The file to write; an earlier page is replaced in one step.
        title: Title of the page.
        introduction: Paragraphs at the top.
        columns: The meaning of each column by its heading.
        runs: The rows of the table.
        sections: The figures.
        settings: Settings, shown as pairs.
        notes: Notes, shown as a list.

    Raises:
        ValueError: A run has another number of cells than there are columns.
    """
    _require_cells("runs", columns, runs)
    for section in sections:
        _require_cells(f"runs of {section.heading!r}", section.columns, section.runs)
    page = (
        environment()
        .get_template("study.html")
        .render(
            title=title,
            introduction=introduction,
            columns=columns,
            runs=runs,
            sections=[s._asdict() | {"images": [_encoded(p) for p in s.pictures]} for s in sections],
            settings=settings,
            notes=notes,
        )
    )
    write_text(path, page)


def _require_cells(name: str, columns: Mapping[str, str], runs: Sequence[Run]) -> None:
    for index, run in enumerate(runs):
        if len(run.cells) != len(columns):
            accepted = f"{len(columns)}, one for each of {', '.join(columns)}"
            raise ValueError(f"write_study: {name}[{index}] has {len(run.cells)} cells; accepted: {accepted}.")


def _encoded(picture: bytes | Figure) -> str:
    return base64.b64encode(figure_png(picture) if isinstance(picture, Figure) else picture).decode("ascii")
