"""The atlas as one self-contained file, and as a section of another page."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxgen.atomic import write_text
from jaxgen.evaluation.tracks import shared_uniforms
from jaxgen.viz.atlas.encode import bytes_of, script_json
from jaxgen.viz.atlas.panel import Panel
from jaxgen.viz.atlas.tiles import Tiles
from jaxgen.viz.palette import plane_colours
from jaxgen.viz.report import environment

INTRODUCTION = (
    "Every model turns noise into data. Here all of them move the same noise at once; mark a region of it, and see where each one puts it."
)

MOST_BYTES = 7_000_000
"""Above this size of the data the panels keep fewer stages, so that the page stays below 8 MB."""


def write_atlas(
    path: str | os.PathLike[str],
    title: str,
    panels: Sequence[Panel | Tiles],
    uniforms: np.ndarray | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write the atlas; nothing in it refers to another file or host.

    Args:
        path: The file to write; an earlier page is replaced in one step.
        title: Title of the page.
        panels: The panels, in the order in which they are shown.
        uniforms: The points `(n, 2)` of the unit square that are the shared noise; they give every point its colour in all panels. None takes
            those of `points_panel`.
        notes: Sentences below the panels.

    Raises:
        ValueError: There are no panels, or panels have different numbers of points.

    >>> import pathlib, tempfile, numpy as np
    >>> from jaxgen.viz.atlas import Label, Panel, Way, write_atlas
    >>> u = np.random.default_rng(0).uniform(size=(50, 2))
    >>> doubled = Panel(Label("doubled", facts={"density": "exact"}), Way(np.stack([u, 2 * u])), None, None, 2 * u)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atlas(f"{folder}/atlas.html", "two panels", [doubled, doubled], u)
    ...     pathlib.Path(folder, "atlas.html").read_text().count("<canvas")
    4
    """
    shown = section(panels, shared_uniforms() if uniforms is None else uniforms)
    facts = list(dict.fromkeys(fact for panel in panels for fact in panel.label.facts))
    template = environment().get_template("atlas.html")
    write_text(path, template.render(title=title, introduction=[INTRODUCTION], atlas=shown, facts=facts, notes=notes, settings={}))


def section(panels: Sequence[Panel | Tiles], uniforms: np.ndarray) -> Mapping[str, Any]:
    """Return what the template of the section takes: the labels of the panels, and their data as JSON.

    Args:
        panels: The panels.
        uniforms: The points `(n, 2)` of the unit square that are the shared noise.

    Raises:
        ValueError: There are no panels, or panels have different numbers of points.
    """
    if not panels:
        raise ValueError("write_atlas: panels=[]; accepted: at least one panel.")
    for panel in panels:
        if isinstance(panel, Panel) and panel.samples.places.shape[1:] != (len(uniforms), 2):
            raise ValueError(
                f"write_atlas: panel {panel.label.name!r} with samples of shape {panel.samples.places.shape}; accepted: "
                f"(stages, {len(uniforms)}, 2), one point for each of uniforms."
            )
    return stored_section([panel.as_json() for panel in _small(panels)], uniforms)


def stored_section(panels: Sequence[Mapping[str, Any]], uniforms: np.ndarray) -> Mapping[str, Any]:
    """Return what the template takes of panels that are JSON values already, as a run folder keeps them.

    Args:
        panels: What `as_json` of the panels returned.
        uniforms: The points `(n, 2)` of the unit square that are the shared noise.
    """
    cards = [{"label": panel["label"], "type": panel["type"], "line": panel["line"]} for panel in panels]
    data = {"colours": bytes_of(plane_colours(uniforms)), "panels": list(panels)}
    return {
        "cards": cards,
        "json": script_json(data),
        "has_points": any(card["type"] == "points" for card in cards),
        "has_images": any(card["type"] == "images" for card in cards),
    }


def _small(panels: Sequence[Panel | Tiles]) -> Sequence[Panel | Tiles]:
    most = 64
    while most > 2 and sum(_size(panel) for panel in panels) > MOST_BYTES:
        most //= 2
        panels = [panel.thinned(most) for panel in panels]
    return panels


def _size(panel: Panel | Tiles) -> float:
    """Return about how many bytes a panel takes in base64."""
    if isinstance(panel, Tiles):
        return 4 / 3 * (panel.stages.size + panel.lines.size + panel.plane.size)
    ways = [way for way in (panel.samples, panel.rows, panel.lattice) if way is not None]
    return 4 / 3 * sum(2 * way.places.size for way in ways) + 20_000
