"""Draw one row of the picture: base noise, stages, output; then target, learned density, trajectories, and in grey what is dropped."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from jaxgen.viz import layout
from jaxgen.viz.figure import Drawing
from jaxgen.viz.layout import Limits
from jaxgen.viz.palette import INK, base_colours
from jaxgen.viz.picture import Dropped, Picture, check

MAX_POINTS = 1_500
MAX_PATHS = 120
_PANEL_FACE = (0.5, 0.52, 0.56, 0.07)
_GREY_FACE = (0.5, 0.5, 0.5, 0.24)


def draw_row(picture: Picture) -> Figure:
    """Draw one row of the picture.

    Output, target and density share their limits, and so does everything else that fits into them. The base, trajectories or dropped parts
    that reach further get limits of their own and say so, and so does a stage most of whose points lie outside. At most five stages, 1,500
    points and 120 paths are drawn.

    Args:
        picture: The arrays of the row.

    Returns:
        A figure whose axes bear as labels what they show: base, stage, output, target, density, paths, dropped or none.

    Raises:
        ValueError: A field of the picture has a shape that does not fit; the message names it.
    """
    check(picture)
    colours = base_colours(picture.colour[:MAX_POINTS], picture.base_kind)
    stages = [picture.stages[index] for index in layout.thin(len(picture.stages))]
    limits = layout.data_window(picture.target, [stage.points for stage in stages])
    extras = _extras(picture)
    slots = max(layout.SLOTS, layout.STAGE_SLOTS + 1 + len(extras))
    figure = Drawing(layout.size(slots))

    roles = ["base"] + ["stage"] * (len(stages) - 2) + ["output"]
    panels = []
    for slot, role, stage in zip(layout.stage_slots(len(stages)), roles, stages, strict=True):
        separate = _separate_limits(role, stage.points, limits)
        axes = _panel(figure, slot, slots, role, stage.label, separate or limits, note=_range_note(separate))
        _scatter(axes, stage.points[:MAX_POINTS], colours)
        if stage.grid is not None:
            axes.add_collection(
                LineCollection(list(np.asarray(stage.grid)), colors=INK, linewidths=0.45, alpha=0.6, zorder=3), autolim=False
            )
        panels.append(axes)
    for before, after in zip(panels, panels[1:], strict=False):
        _arrow(figure, before, after, picture.accent)

    target = _panel(figure, layout.STAGE_SLOTS, slots, "target", "target", limits)
    _scatter(target, picture.target[:MAX_POINTS], np.array(to_rgb(INK)))
    for offset, extra in enumerate(extras):
        _draw_extra(figure, layout.STAGE_SLOTS + 1 + offset, slots, extra, picture, limits, colours)
    return figure


def _extras(picture: Picture) -> list[str | Dropped]:
    extras: list[str | Dropped] = ["density"] if picture.density is not None else []
    extras += ["paths"] if picture.paths is not None else []
    extras += list(picture.dropped)
    # All other rows have a density at this place, so that an empty panel says why this row has none.
    return extras if picture.density is not None or len(extras) > 1 else ["none", *extras]


def _draw_extra(figure: Figure, slot: int, slots: int, extra: str | Dropped, picture: Picture, limits: Limits, colours: np.ndarray) -> None:
    if isinstance(extra, Dropped):
        _draw_dropped(figure, slot, slots, extra, limits, colours)
    elif extra == "density" and picture.density is not None:
        axes = _panel(figure, slot, slots, "density", "learned density", limits, note=picture.density_label)
        _shade(axes, picture.density, _density_alpha(np.asarray(picture.density[2], dtype=float)), picture.accent)
    elif extra == "paths" and picture.paths is not None:
        paths = np.asarray(picture.paths, dtype=float)[:MAX_PATHS]
        separate = layout.separate_window(paths[:, 0], limits)
        axes = _panel(figure, slot, slots, "paths", picture.paths_label, separate or limits, note=_range_note(separate))
        lines = base_colours(paths[:, 0], picture.base_kind)
        axes.add_collection(LineCollection(list(paths), colors=lines, linewidths=0.6, alpha=0.75), autolim=False)
        axes.scatter(paths[:, -1, 0], paths[:, -1, 1], s=4, c=lines, linewidths=0, zorder=3)
    else:
        axes = _panel(figure, slot, slots, "none", "", limits)
        axes.set_facecolor("none")
        axes.text(
            0.5, 0.5, "no density:\nsamples only", transform=axes.transAxes, ha="center", va="center", color=INK, fontsize=7, style="italic"
        )
        for spine in axes.spines.values():
            spine.set(linestyle=(0, (2, 3)), alpha=0.5)


def _draw_dropped(figure: Figure, slot: int, slots: int, part: Dropped, limits: Limits, colours: np.ndarray) -> None:
    if part.points is not None and part.kind == "points":
        separate = layout.separate_window(part.points, limits)
        axes = _panel(
            figure,
            slot,
            slots,
            "dropped",
            part.label,
            separate or limits,
            note="not used for sampling" + ("; own axes" if separate else ""),
        )
        grey = np.array(to_rgb("#8b8b8b"))
        _scatter(axes, part.points[:MAX_POINTS], 0.7 * grey + 0.3 * colours if part.colour_by_base else grey)
    elif part.field is not None:
        axes = _panel(figure, slot, slots, "dropped", part.label, limits, note="not used for sampling")
        _shade(axes, part.field, 0.75 * _unit(np.asarray(part.field[2], dtype=float)), "#767676")
    else:
        return
    axes.set_facecolor(_GREY_FACE)
    for spine in axes.spines.values():
        spine.set(linestyle=(0, (2, 2)))


def _panel(figure: Figure, slot: float, slots: int, role: str, title: str, limits: Limits, note: str = "") -> Axes:
    axes = figure.add_axes(layout.panel_box(slot, slots), label=role)
    axes.set(xlim=limits.x, ylim=limits.y, xticks=[], yticks=[], facecolor=_PANEL_FACE)
    axes.set_title(title, color=INK, fontsize=7.5, pad=3.5)
    for spine in axes.spines.values():
        spine.set(color=INK, linewidth=0.5, alpha=0.45)
    if note:
        axes.text(0.5, -0.035, note, transform=axes.transAxes, ha="center", va="top", color=INK, fontsize=6.2)
    return axes


def _scatter(axes: Axes, points: np.ndarray, rgb: np.ndarray) -> None:
    """Draw small dots; `rgb` is one colour for all, `(3,)`, or one for each point, `(n, 3)`."""
    points = np.asarray(points, dtype=float)
    axes.scatter(
        points[:, 0], points[:, 1], s=3.2, c=np.broadcast_to(rgb, (len(points), 3)), linewidths=0, alpha=0.85, zorder=2, plotnonfinite=True
    )


def _shade(axes: Axes, field: tuple[np.ndarray, np.ndarray, np.ndarray], alpha: np.ndarray, colour: str) -> None:
    xs, ys = np.asarray(field[0]), np.asarray(field[1])
    image = np.concatenate([np.broadcast_to(to_rgb(colour), (*alpha.shape, 3)), alpha[..., None]], axis=-1)
    right, up = 0.5 * (xs[1] - xs[0]), 0.5 * (ys[1] - ys[0])
    extent = (xs[0] - right, xs[-1] + right, ys[0] - up, ys[-1] + up)
    window = axes.get_xlim(), axes.get_ylim()
    axes.imshow(image, origin="lower", extent=extent, aspect="auto", interpolation="bilinear", zorder=1)
    axes.set(xlim=window[0], ylim=window[1])


def _density_alpha(log_density: np.ndarray) -> np.ndarray:
    """Return the root of the density over that of its 99.5th percentile, so that thin bridges between modes stay visible."""
    known = np.where(np.isfinite(log_density), log_density, -np.inf)
    reference = np.percentile(known, 99.5, method="lower")
    top = reference if np.isfinite(reference) else known.max()
    return np.exp(0.5 * np.minimum(known - top, 0.0)) if np.isfinite(top) else np.zeros_like(known)


def _unit(values: np.ndarray) -> np.ndarray:
    """Map values to [0, 1] between their 2nd and 98th percentile; values that are not finite become 0."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros_like(values)
    low, high = np.percentile(finite, [2, 98])
    return np.clip((np.where(np.isfinite(values), values, low) - low) / max(high - low, 1e-12), 0.0, 1.0)


def _separate_limits(role: str, points: np.ndarray, shared: Limits) -> Limits | None:
    """The base may leave the shared axes; a stage between only where they would show less than half of it; the output never."""
    if role == "base" or (role == "stage" and layout.share_inside(points, shared) < 0.5):
        return layout.separate_window(points, shared)
    return None


def _range_note(separate: Limits | None) -> str:
    return "" if separate is None else f"own axes: {_short(separate.x[0])} to {_short(separate.x[1])}".replace("-", "−")


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}"


def _arrow(figure: Figure, before: Axes, after: Axes, colour: str) -> None:
    start, end = before.get_position(), after.get_position()
    middle, inset = 0.5 * (start.y0 + start.y1), 0.03 / figure.get_figwidth()
    arrow = FancyArrowPatch(
        (start.x1 + inset, middle),
        (end.x0 - inset, middle),
        transform=figure.transFigure,
        arrowstyle="-|>",
        mutation_scale=7,
        color=colour,
        linewidth=1.0,
        shrinkA=0,
        shrinkB=0,
    )
    figure.add_artist(arrow)
