"""The arrays that a row of the picture is made of, so that anything that samples can be drawn."""

from typing import Literal, NamedTuple

import numpy as np

from jaxgen.viz.palette import NEUTRAL


class Stage(NamedTuple):
    """One stage of the transformation.

    Attributes:
        label: Title of its panel.
        points: The points `(n, 2)` at this stage.
        grid: The base's grid as it is deformed at this stage, `(lines, points_per_line, 2)`, or None.
    """

    label: str
    points: np.ndarray
    grid: np.ndarray | None = None


class Dropped(NamedTuple):
    """A trained part that sampling drops.

    Attributes:
        label: Title of its panel.
        kind: "points" or "field".
        points: Points `(m, 2)`, such as an encoder's codes.
        field: Coordinates `(nx,)` and `(ny,)` of a grid and values `(ny, nx)` on it, such as a critic's.
        colour_by_base: Whether the points are the points of the stages, one for one, and keep a faint trace of their colours.
    """

    label: str
    kind: Literal["points", "field"]
    points: np.ndarray | None = None
    field: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    colour_by_base: bool = False


class Picture(NamedTuple):
    """Everything that one row shows: n points, followed from the base to the output.

    Attributes:
        name: The name of the entry, a label of the row.
        family: The family of the entry, a label of the row.
        objective: The title of the objective, a label of the row.
        reading: The name of the reading, a label of the row.
        colour: Positions `(n, 2)` in the base that give each point its colour.
        base_kind: "gaussian", "uniform", "logistic" or anything else: how these positions are distributed.
        stages: The stages, from the base to the output.
        target: Real data `(m, 2)`.
        density: Coordinates `(nx,)` and `(ny,)` of a grid and the learned log density `(ny, nx)` on it, or None.
        density_label: The kind of that density.
        paths: Trajectories `(k, T, 2)` from noise to data, or None.
        paths_label: Title of their panel.
        dropped: Trained parts that sampling drops.
        accent: The colour of arrows and density.
    """

    name: str
    family: str
    objective: str
    reading: str
    colour: np.ndarray
    base_kind: str
    stages: tuple[Stage, ...]
    target: np.ndarray
    density: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    density_label: str = ""
    paths: np.ndarray | None = None
    paths_label: str = "trajectories"
    dropped: tuple[Dropped, ...] = ()
    accent: str = NEUTRAL


def check(picture: Picture) -> None:
    """Raise ValueError, naming the first field of the picture whose shape does not fit; values need not be finite."""
    if len(picture.stages) < 2:
        raise ValueError(
            f"Picture {picture.name}: stages={len(picture.stages)} entries; accepted: two or more, from the base to the output."
        )
    n = len(picture.colour)
    _shape(picture, "colour", picture.colour, (n, 2))
    _shape(picture, "target", picture.target, (len(picture.target), 2))
    for stage in picture.stages:
        _shape(picture, f"stage {stage.label!r}", stage.points, (n, 2))
        if stage.grid is not None:
            _shape(picture, f"grid of stage {stage.label!r}", stage.grid, (*np.shape(stage.grid)[:2], 2))
    if picture.paths is not None:
        _shape(picture, "paths", picture.paths, (*np.shape(picture.paths)[:2], 2))
    if picture.density is not None:
        _field(picture, "density", picture.density)
    for part in picture.dropped:
        if part.kind == "field" and part.field is not None:
            _field(picture, f"dropped {part.label!r}", part.field)
        elif part.kind == "points" and part.points is not None:
            _shape(picture, f"dropped {part.label!r}", part.points, (n if part.colour_by_base else len(part.points), 2))
        else:
            accepted = "'points' with points, or 'field' with a field"
            raise ValueError(f"Picture {picture.name}: dropped {part.label!r}: kind={part.kind!r}; accepted: {accepted}.")


def _shape(picture: Picture, what: str, array: np.ndarray, accepted: tuple[int, ...]) -> None:
    if np.shape(array) != accepted or 0 in accepted:
        raise ValueError(f"Picture {picture.name}: {what} has shape {np.shape(array)}; accepted: {accepted}, without empty axes.")


def _field(picture: Picture, what: str, field: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    xs, ys, values = field
    if np.ndim(xs) != 1 or np.ndim(ys) != 1 or np.shape(values) != (len(ys), len(xs)) or min(len(xs), len(ys)) < 2:
        raise ValueError(
            f"Picture {picture.name}: {what} has xs {np.shape(xs)}, ys {np.shape(ys)} and values {np.shape(values)}; "
            "accepted: (nx,), (ny,) and (ny, nx) with nx, ny >= 2."
        )
