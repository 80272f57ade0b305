"""The page of a study: a table of its runs, then figures under their headings, in one self-contained HTML file."""

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from jaxgen.viz.palette import INK
from jaxgen.viz.report import environment, replace
from jaxgen.viz.row import figure_png


class Section(NamedTuple):
    """A heading, a paragraph, and pictures as PNG bytes or figures."""

    heading: str
    text: str
    pictures: Sequence[bytes | Figure] = ()


class Run(NamedTuple):
    """A row of the table: its cells, and a remark shown in red below it where there is one."""

    cells: Sequence[str]
    remark: str = ""


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
    """Write the page to `path`, replacing what is there in one step. `columns` maps each heading to its meaning.

    Nothing in the page refers to another file or host. Raises ValueError for a run that has not one cell a column.
    """
    for index, run in enumerate(runs):
        if len(run.cells) != len(columns):
            raise ValueError(f"runs[{index}] has {len(run.cells)} cells; accepted: {len(columns)}, one for each of {', '.join(columns)}.")
    page = (
        environment()
        .get_template("study.html")
        .render(
            title=title,
            introduction=introduction,
            columns=columns,
            runs=runs,
            sections=[{"heading": s.heading, "text": s.text, "images": [_encoded(p) for p in s.pictures]} for s in sections],
            settings=settings,
            notes=notes,
        )
    )
    replace(Path(path), page)


def plain_axes(axes: Any, title: str, xlabel: str = "", ylabel: str = "") -> None:
    """Axes that read on a light and on a dark page."""
    axes.set_facecolor("none")
    axes.set_title(title, fontsize=9, color=INK)
    axes.set_xlabel(xlabel, fontsize=8, color=INK)
    axes.set_ylabel(ylabel, fontsize=8, color=INK)
    axes.tick_params(which="both", colors=INK, labelsize=7)
    for spine in axes.spines.values():
        spine.set_color(INK)
        spine.set_linewidth(0.6)


def _encoded(picture: bytes | Figure) -> str:
    return base64.b64encode(figure_png(picture) if isinstance(picture, Figure) else picture).decode("ascii")
