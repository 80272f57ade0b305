"""What one panel of the atlas shows of a model of vectors: points on their way, densities, and parts that only training uses."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from jaxgen.viz import layout
from jaxgen.viz.atlas.encode import bytes_of, floats, quantised
from jaxgen.viz.palette import NEUTRAL, plane_colours
from jaxgen.viz.picture import Dropped

Field = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Coordinates `(nx,)` and `(ny,)` of a grid, and values `(ny, nx)` on it."""

DEPTH = 16.0
"""How many nats below its largest value a log density is kept; an image of it is blank there."""


class Label(NamedTuple):
    """Say what a panel is called and how its family is presented.

    Attributes:
        name: The name of the run; any text, which is shown as it is.
        family: The family of its entry.
        objective: The title of the objective.
        reading: The name of the reading.
        accent: The colour "#rrggbb" of the family.
        sentence: What the family's pictures show.
        facts: Further facts by their headings, such as {"density": "exact"}.
    """

    name: str
    family: str = ""
    objective: str = ""
    reading: str = ""
    accent: str = NEUTRAL
    sentence: str = ""
    facts: Mapping[str, str] = MappingProxyType({})


class Way(NamedTuple):
    """Hold k points on their way: their places at the noise and after each of S stages, and their log densities.

    Attributes:
        places: `(S + 1, k, 2)`; the first ones are the noise.
        log_density: The log density in nats of what each point becomes, `(k,)`, or None.
    """

    places: np.ndarray
    log_density: np.ndarray | None = None


class Panel(NamedTuple):
    """Hold what one panel shows. All panels of one page have the same number of `samples`.

    Attributes:
        label: What the panel is called.
        samples: The points that start as the shared noise.
        rows: The points that end at the rows of the data, if the model keeps them; None for no data.
        lattice: A square lattice of the base, row by row, or None.
        real: The rows of the data themselves, `(m, 2)`.
        stage: The label of a stage, in which `{step}` and `{time}` are filled in.
        steps: Which of the model's stages are shown, counted from 1.
        line: Whether the points move along straight lines because the model has no states on the way.
        shared: Whether the noise is that of the other panels.
        found: How the noise behind the rows was found, in words.
        data: What the data are; rows are marked together only in panels of the same data.
        kind: The kind of the density, such as "exact".
        density: The log density on a grid, or None.
        dropped: Parts that only training uses.
        wide: Whether events have more than two coordinates.
    """

    label: Label
    samples: Way
    rows: Way | None
    lattice: Way | None
    real: np.ndarray
    stage: str = "after layer {step}"
    steps: tuple[int, ...] = ()
    line: bool = False
    shared: bool = True
    found: str = ""
    data: str = "data"
    kind: str = "implicit"
    density: Field | None = None
    dropped: tuple[Dropped, ...] = ()
    wide: bool = False

    def thinned(self, most: int) -> "Panel":
        """Return the panel with at most `most` stages, evenly chosen; the noise and the output stay."""
        stages = len(self.samples.places)
        keep = np.unique(np.linspace(0, stages - 1, min(stages, most + 1)).round().astype(int))
        ways = {
            name: way and way._replace(places=way.places[keep])
            for name, way in (("samples", self.samples), ("rows", self.rows), ("lattice", self.lattice))
        }
        return self._replace(**ways, steps=tuple(self.steps[i - 1] for i in keep[1:] if i <= len(self.steps)))

    def as_json(self) -> dict[str, Any]:
        """Return the panel as JSON holds it, every array as text."""
        windows = self._windows()
        return {
            "type": "points",
            "label": self.label._asdict() | {"facts": dict(self.label.facts)},
            "stage": self.stage,
            "steps": list(self.steps),
            "line": self.line,
            "shared": self.shared,
            "found": self.found,
            "data": self.data,
            "kind": self.kind,
            "wide": self.wide,
            "windows": windows.round(6).tolist(),
            "samples": _way(self.samples, windows),
            "rows": self.rows and _way(self.rows, windows) | {"colours": bytes_of(plane_colours(_ranks(self.real)))},
            "lattice": self.lattice and _way(self.lattice, windows),
            "real": _track(self.real[None], windows[-1:]),
            "density": self.density and _density(self.density),
            "dropped": [_dropped(part, windows[0]) for part in self.dropped],
        }

    def _windows(self) -> np.ndarray:
        """Return the centre and the half width `(S + 1, 3)` of the square that is shown at the noise and after each stage."""
        data = layout.window(self.real) or layout.Limits((-1, 1), (-1, 1))
        found = []
        for i, places in enumerate(self.samples.places):
            last = i == len(self.samples.places) - 1
            own = layout.window(places) or data
            # The output is seen in the window of the data, so that what a model puts elsewhere is seen to be elsewhere.
            half = min(max(data.half, own.half), 1.35 * data.half) if last else own.half
            centre = data if last else own
            found.append([0.5 * sum(centre.x), 0.5 * sum(centre.y), half])
        return np.array(found)


def _ranks(points: np.ndarray) -> np.ndarray:
    """Return the ranks of each coordinate in [0, 1], from which rows of data take their colours."""
    return points.argsort(0).argsort(0) / max(len(points) - 1, 1)


def _way(way: Way, windows: np.ndarray) -> dict[str, Any]:
    return _track(way.places, windows) | {"logp": None if way.log_density is None else floats(way.log_density)}


def _track(places: np.ndarray, windows: np.ndarray) -> dict[str, Any]:
    """Pack places `(S, k, 2)` in units of eight windows' half widths around the windows' centres."""
    reach = 8 * windows[:, None, 2:]
    return {"num": places.shape[1], "places": quantised((places - windows[:, None, :2]) / reach)}


def _density(field: Field) -> dict[str, Any]:
    xs, ys, values = field
    top = float(np.nanmax(np.where(np.isfinite(values), values, np.nan), initial=-np.inf))
    shown = np.where(np.isfinite(values), values, -np.inf) - top if np.isfinite(top) else np.full(values.shape, -np.inf)
    return _box(xs, ys) | {"top": top if np.isfinite(top) else 0.0, "depth": DEPTH, "values": bytes_of(1 + shown / DEPTH)}


def _dropped(part: Dropped, noise: np.ndarray) -> dict[str, Any]:
    if part.points is not None:
        return {"label": part.label, "kind": "points"} | _track(np.asarray(part.points)[None], noise[None])
    assert part.field is not None
    xs, ys, values = part.field
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [2, 98]) if finite.size else (0.0, 1.0)
    scaled = (np.where(np.isfinite(values), values, low) - low) / max(high - low, 1e-12)
    return {"label": part.label, "kind": "field"} | _box(xs, ys) | {"values": bytes_of(scaled)}


def _box(xs: np.ndarray, ys: np.ndarray) -> dict[str, Any]:
    right, up = 0.5 * float(xs[1] - xs[0]), 0.5 * float(ys[1] - ys[0])
    box = [float(xs[0]) - right, float(ys[0]) - up, float(xs[-1]) + right, float(ys[-1]) + up]
    return {"box": [round(edge, 6) for edge in box], "shape": [len(ys), len(xs)]}
