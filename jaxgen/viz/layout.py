"""Where the panels of a row stand and which part of the plane they show, so that columns line up over all rows."""

from typing import NamedTuple

import numpy as np

PANEL, GAP, GROUP_GAP = 1.46, 0.17, 0.28  # inches; a gap of its own divides the stages of sampling from what they are compared with
TOP, BOTTOM, SIDE = 0.27, 0.22, 0.06
STAGE_SLOTS = 5  # base, up to three stages between, output
SLOTS = 8  # then target, density, and trajectories or a dropped part


class Limits(NamedTuple):
    """A square window of the plane."""

    x: tuple[float, float]
    y: tuple[float, float]

    @property
    def half(self) -> float:
        """Return half the window's width."""
        return 0.5 * (self.x[1] - self.x[0])


def size(slots: int) -> tuple[float, float]:
    """Return width and height in inches of a figure with this number of slots."""
    return _left(slots - 1) + PANEL + SIDE, TOP + PANEL + BOTTOM


def panel_box(slot: float, slots: int) -> tuple[float, float, float, float]:
    """Return the place of a panel.

    Args:
        slot: Number of the slot, from 0; it may be fractional between stages.
        slots: Number of slots of the figure.

    Returns:
        Left, bottom, width and height as fractions of the figure.
    """
    width, height = size(slots)
    return _left(slot) / width, BOTTOM / height, PANEL / width, PANEL / height


def stage_slots(count: int) -> list[float]:
    """Return the slots of 2 to 5 stages: the base first, the output last, and the others evenly between.

    >>> stage_slots(3)
    [0.0, 2.0, 4.0]
    """
    return [float(slot) for slot in np.linspace(0, STAGE_SLOTS - 1, count)]


def thin(count: int) -> list[int]:
    """Return which of `count` stages are shown: all of them up to five, otherwise five at equal distances with the first and the last.

    >>> thin(9)
    [0, 2, 4, 6, 8]
    """
    return [int(round(index)) for index in np.linspace(0, count - 1, min(count, STAGE_SLOTS))]


def window(points: np.ndarray, tail: float = 0.5, margin: float = 1.12) -> Limits | None:
    """Return the square window around most of the points.

    Args:
        points: Points `(n, 2)`; those that are not finite are ignored.
        tail: Percentage that is left out on each side of each axis.
        margin: Factor by which the window is wider than these points.

    Returns:
        The window, or None if no point is finite.
    """
    points = np.asarray(points, dtype=float)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return None
    low, high = np.percentile(points, [tail, 100 - tail], axis=0)
    (x, y), half = 0.5 * (low + high), max(0.5 * margin * float((high - low).max()), 1e-6)
    return Limits((x - half, x + half), (y - half, y + half))


def data_window(target: np.ndarray, stages: list[np.ndarray], at_most: float = 1.35) -> Limits:
    """Return the window that all data columns share: that of the target, widened for stages that reach further.

    Args:
        target: Real data `(m, 2)`.
        stages: Points `(n, 2)` of each stage.
        at_most: Largest factor by which the window is widened.

    Returns:
        The window.
    """
    base = window(target) or Limits((-1.0, 1.0), (-1.0, 1.0))
    x, y = 0.5 * sum(base.x), 0.5 * sum(base.y)
    reach = base.half
    for points in stages:
        inner = window(points, tail=1.0, margin=1.0)
        if inner is not None:
            reach = max(reach, *(abs(edge - x) for edge in inner.x), *(abs(edge - y) for edge in inner.y))
    half = min(reach, at_most * base.half)
    return Limits((x - half, x + half), (y - half, y + half))


def separate_window(points: np.ndarray, shared: Limits) -> Limits | None:
    """Return a separate window for points that a shared window would cut off or show too small.

    Args:
        points: Points `(n, 2)`.
        shared: The shared window.

    Returns:
        The separate window, or None if the shared one will do.
    """
    inner = window(points, tail=1.0, margin=1.0)
    if inner is None:
        return None
    slack = 0.06 * shared.half
    outside = any(
        low < edge_low - slack or high > edge_high + slack
        for (low, high), (edge_low, edge_high) in ((inner.x, shared.x), (inner.y, shared.y))
    )
    return window(points, tail=0.1) if outside or inner.half < 0.4 * shared.half else None


def share_inside(points: np.ndarray, limits: Limits) -> float:
    """Return the share of the finite points that a window shows.

    Args:
        points: Points `(n, 2)`.
        limits: The limits of the window.

    Returns:
        A share in [0, 1]; 1 if no point is finite.
    """
    points = np.asarray(points, dtype=float)
    points = points[np.isfinite(points).all(axis=1)]
    low, high = np.array([limits.x[0], limits.y[0]]), np.array([limits.x[1], limits.y[1]])
    return float(((points >= low) & (points <= high)).all(axis=1).mean()) if len(points) else 1.0


def _left(slot: float) -> float:
    return SIDE + slot * (PANEL + GAP) + (GROUP_GAP if slot >= STAGE_SLOTS else 0.0)
