"""The figure of the speed-quality study: the quality of each generator against its samples per second, and the Pareto front."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from jaxgen.viz.figure import Drawing
from jaxgen.viz.palette import INK, NEUTRAL


def draw_speed_quality(
    rows: Sequence[dict[str, Any]], on_front: Sequence[bool], quality: str = "Frechet distance over that of real images"
) -> Figure:
    """Draw one line for each model over its numbers of evaluations, which stand beside the points.

    Args:
        rows: Dicts with `model`, its `accent`, `evaluations`, `samples_per_second` and `quality`; no failed ones.
        on_front: Whether each row lies on the Pareto front; its point is then filled.
        quality: Label of the axis of quality.

    Returns:
        The figure.
    """
    figure = Drawing((6.5, 4.2), layout="constrained")
    axes = figure.subplots()
    models: list[str] = list(dict.fromkeys(r["model"] for r in rows))
    for model in models:
        points = sorted(
            (r["evaluations"], r["samples_per_second"], r["quality"], on)
            for r, on in zip(rows, on_front, strict=True)
            if r["model"] == model
        )
        accent = next((r["accent"] for r in rows if r["model"] == model and "accent" in r), NEUTRAL)
        axes.plot([p[1] for p in points], [p[2] for p in points], color=accent, linewidth=1, label=model)
        for evaluations, speed, value, on in points:
            axes.plot(speed, value, "o", color=accent, markersize=6, markerfacecolor=accent if on else "none")
            axes.annotate(str(evaluations), (speed, value), textcoords="offset points", xytext=(5, 4), fontsize=7, color=INK)
    axes.set(xscale="log", yscale="log", xlabel="samples a second", ylabel=quality)
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, labelcolor=INK)
    return figure
