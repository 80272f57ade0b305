"""Where the panels of a row stand and which part of the plane they show: arithmetic only, so that columns line up over all rows."""

from typing import NamedTuple

import numpy as np

PANEL, GAP, GROUP_GAP = 1.46, 0.17, 0.28  # inches; one group is what sampling does, the other what it is compared with
TOP, BOTTOM, SIDE = 0.27, 0.22, 0.06
STAGE_SLOTS = 5  # base, up to three stages between, output
SLOTS = 8  # then target, density, and trajectories or a dropped part


class Limits(NamedTuple):
    """A square window of the plane."""

    x: tuple[float, float]
    y: tuple[float, float]

    @property
    def half(self) -> float:
        """Half the window's width."""
        return 0.5 * (self.x[1] - self.x[0])


def size(slots: int) -> tuple[float, float]:
    """Width and height in inches of a figure of that many slots."""
    return _left(slots - 1) + PANEL + SIDE, TOP + PANEL + BOTTOM


def panel_box(slot: float, slots: int) -> tuple[float, float, float, float]:
    """Left, bottom, width and height, in figure fractions, of the panel in a slot; between stages a slot may be fractional."""
    width, height = size(slots)
    return _left(slot) / width, BOTTOM / height, PANEL / width, PANEL / height


def stage_slots(count: int) -> list[float]:
    """Slots of `count` (2 to 5) stages: base first, output last, the others spread evenly between."""
    return [float(slot) for slot in np.linspace(0, STAGE_SLOTS - 1, count)]


def thin(count: int) -> list[int]:
    """Which of `count` stages are shown: all of them up to five, otherwise five evenly spaced ones with the first and the last."""
    return [int(round(index)) for index in np.linspace(0, count - 1, min(count, STAGE_SLOTS))]


def window(points: np.ndarray, tail: float = 0.5, margin: float = 1.12) -> Limits | None:
    """The square window around the central `100 - 2 tail` percent of the finite `points: (n, 2)`; None where there are none."""
    points = np.asarray(points, dtype=float)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return None
    low, high = np.percentile(points, [tail, 100 - tail], axis=0)
    (x, y), half = 0.5 * (low + high), max(0.5 * margin * float((high - low).max()), 1e-6)
    return Limits((x - half, x + half), (y - half, y + half))


def data_window(target: np.ndarray, stages: list[np.ndarray], at_most: float = 1.35) -> Limits:
    """The window shared by all data columns: the target's, opened for stages that reach further, by at most that factor."""
    base = window(target) or Limits((-1.0, 1.0), (-1.0, 1.0))
    x, y = 0.5 * sum(base.x), 0.5 * sum(base.y)
    reach = base.half
    for points in stages:
        seen = window(points, tail=1.0, margin=1.0)
        if seen is not None:
            reach = max(reach, *(abs(edge - x) for edge in seen.x), *(abs(edge - y) for edge in seen.y))
    half = min(reach, at_most * base.half)
    return Limits((x - half, x + half), (y - half, y + half))


def own_window(points: np.ndarray, shared: Limits) -> Limits | None:
    """A window of their own for points that the shared one would cut off or show tiny; None where the shared one will do."""
    own = window(points, tail=1.0, margin=1.0)
    if own is None:
        return None
    slack = 0.06 * shared.half
    outside = any(
        low < edge_low - slack or high > edge_high + slack for (low, high), (edge_low, edge_high) in ((own.x, shared.x), (own.y, shared.y))
    )
    return window(points, tail=0.1) if outside or own.half < 0.4 * shared.half else None


def share_inside(points: np.ndarray, limits: Limits) -> float:
    """The share of the finite `points: (n, 2)` that a window shows; 1 where there are none."""
    points = np.asarray(points, dtype=float)
    points = points[np.isfinite(points).all(axis=1)]
    low, high = np.array([limits.x[0], limits.y[0]]), np.array([limits.x[1], limits.y[1]])
    return float(((points >= low) & (points <= high)).all(axis=1).mean()) if len(points) else 1.0


def _left(slot: float) -> float:
    return SIDE + slot * (PANEL + GAP) + (GROUP_GAP if slot >= STAGE_SLOTS else 0.0)
