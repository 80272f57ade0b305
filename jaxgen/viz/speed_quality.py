"""The figure of the speed-quality study: every generator's samples a second against their distance from the data, and the front."""

from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxgen.viz.palette import INK, family_style

STYLES: dict[str, str] = {"gan": "adversarial", "one step": "few steps", "diffusion": "diffusion"}


def draw_speed_quality(
    rows: Sequence[dict[str, Any]], on_front: Sequence[bool], quality: str = "Frechet distance over that of real images"
) -> Figure:
    """One line a model over its numbers of evaluations, which are written beside the points; the front's points are filled.

    rows: with `model`, `evaluations`, `samples_per_second` and `quality`, those that failed left out. on_front: for each row.
    """
    figure = Figure(figsize=(6.5, 4.2), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    models: list[str] = list(dict.fromkeys(r["model"] for r in rows))
    for model in models:
        own = sorted(
            (r["evaluations"], r["samples_per_second"], r["quality"], on)
            for r, on in zip(rows, on_front, strict=True)
            if r["model"] == model
        )
        accent = family_style(str(STYLES.get(model, model))).accent
        axes.plot([p[1] for p in own], [p[2] for p in own], color=accent, linewidth=1, label=model)
        for evaluations, speed, value, on in own:
            axes.plot(speed, value, "o", color=accent, markersize=6, markerfacecolor=accent if on else "none")
            axes.annotate(str(evaluations), (speed, value), textcoords="offset points", xytext=(5, 4), fontsize=7, color=INK)
    axes.set(xscale="log", yscale="log", xlabel="samples a second", ylabel=quality)
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, labelcolor=INK)
    return figure
