"""Draw discrete events on their way from noise to data: one line of cells for each event, a grid that fills from stage to stage."""

from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from jaxgen.viz.palette import INK

MASKED = "#b9b9b9"
"""The colour of a site that is not known yet."""


class SitesPicture(NamedTuple):
    """Everything that one picture of discrete events shows.

    Attributes:
        name: The name of the entry.
        labels: The title of each stage.
        stages: The states `(S, m, n)` of m events of n sites after each stage; the code `levels` is the mask.
        target: Real events `(m, n)`.
        levels: How many codes a site has.
    """

    name: str
    labels: tuple[str, ...]
    stages: np.ndarray
    target: np.ndarray
    levels: int


def draw_sites(picture: SitesPicture) -> Figure:
    """Draw the stages side by side, and real events beside them.

    Args:
        picture: The arrays.

    Returns:
        A figure with one panel for each stage and one for the target, labelled "stage" and "target".

    Raises:
        ValueError: The shapes do not fit, or a state is neither a code nor the mask.

    >>> draw_sites(SitesPicture("m", ("noise", "data"), np.zeros((2, 3, 4)), np.zeros((3, 4)), 2)).axes[-1].get_label()
    'target'
    """
    panels = [*picture.stages, picture.target]
    _check(picture, panels)
    titles = [*picture.labels, "target"]
    figure = Figure(figsize=(1.55 * len(panels), 1.75), facecolor="none")
    FigureCanvasAgg(figure)
    colours = _colours(picture.levels)
    for i, (codes, title) in enumerate(zip(panels, titles, strict=True)):
        label = "target" if title == "target" else "stage"
        axes = figure.add_axes(((i + 0.05) / len(panels), 0.04, 0.9 / len(panels), 0.82), label=label)
        axes.imshow(colours[np.asarray(codes, int)], aspect="auto", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, color=INK, fontsize=7.5, pad=3.5)
    return figure


def _colours(levels: int) -> np.ndarray:
    """Return the colours `(levels + 1, 3)` of the codes, in their order, and of the mask."""
    return np.concatenate([colormaps["viridis"](np.linspace(0.05, 0.95, levels))[:, :3], [to_rgb(MASKED)]])


def _check(picture: SitesPicture, panels: list[np.ndarray]) -> None:
    if np.ndim(picture.stages) != 3 or len(picture.labels) != len(picture.stages) or 0 in np.shape(picture.stages):
        raise ValueError(
            f"draw_sites: stages of shape {np.shape(picture.stages)} with {len(picture.labels)} labels; accepted: (S, m, n) with S labels."
        )
    if np.shape(picture.target)[1:] != np.shape(picture.stages)[2:]:
        raise ValueError(f"draw_sites: target of shape {np.shape(picture.target)}; accepted: (m, {np.shape(picture.stages)[2]}).")
    for codes in panels:
        if not np.isin(codes, np.arange(picture.levels + 1)).all():
            raise ValueError(f"draw_sites: {picture.name} has a state that is no code; accepted: 0 to {picture.levels}, the mask.")
