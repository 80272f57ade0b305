"""What a row of the picture is made of: plain arrays, so that anything able to sample can be drawn."""

from typing import Literal, NamedTuple

import numpy as np


class Stage(NamedTuple):
    """One stage of the transformation: `points: (n, 2)`, and the base grid deformed so far, `grid: (lines, points_per_line, 2)`."""

    label: str
    points: np.ndarray
    grid: np.ndarray | None = None


class Dropped(NamedTuple):
    """A trained part that sampling drops: `points: (m, 2)` (an encoder's codes), or a `field: (xs, ys, values (ny, nx))` (a critic).

    With `colour_by_base` the points are one for one those of the stages and keep a washed-out trace of their colours.
    """

    label: str
    kind: Literal["points", "field"]
    points: np.ndarray | None = None
    field: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    colour_by_base: bool = False


class Picture(NamedTuple):
    """Everything one row shows. `n` points are followed from the base (`stages[0]`) to the output (`stages[-1]`).

    `colour: (n, 2)` are the positions in the base, in the base's own units, that give each point its colour; `base_kind` ("gaussian",
    "uniform", "logistic" or anything else) says how those are spread. `target: (m, 2)` is real data. `density` is `(xs, ys, log_density
    (ny, nx))` and `density_label` its kind; `paths: (n_paths, T, 2)` are trajectories from noise to data,
    titled `paths_label`.
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


def check(picture: Picture) -> None:
    """Raise ValueError naming the first field of the picture whose shape does not fit; values need not be finite."""
    if len(picture.stages) < 2:
        raise ValueError(f"{picture.name}: stages has {len(picture.stages)} entries; it must hold at least the base and the output")
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
            raise ValueError(f"{picture.name}: dropped {part.label!r} has kind {part.kind!r}; 'points' needs points and 'field' a field")


def _shape(picture: Picture, what: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    if np.shape(array) != expected or 0 in expected:
        raise ValueError(f"{picture.name}: {what} has shape {np.shape(array)}; expected {expected}, without empty axes")


def _field(picture: Picture, what: str, field: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    xs, ys, values = field
    if np.ndim(xs) != 1 or np.ndim(ys) != 1 or np.shape(values) != (len(ys), len(xs)) or min(len(xs), len(ys)) < 2:
        raise ValueError(
            f"{picture.name}: {what} has xs {np.shape(xs)}, ys {np.shape(ys)} and values {np.shape(values)}; "
            "expected (nx,), (ny,) and (ny, nx) with nx, ny >= 2"
        )
