"""The same mean stretch without a derivative: how often paths of noise cross the gap around a set.

For independent Gaussian vectors a and b the path `z(s) = cos(s) a + sin(s) b`, s in [0, pi/2], is standard Gaussian at every s, and its
velocity is standard Gaussian and independent of it. So the mean total variation of `min(dist(F(z(s)), A), w)` along the path is
`sqrt(pi / 2)` times the mean of `|J^T n|` in the gap. A path from one side to the other varies by at least w, so a gap that is too steep
for a single sample to hit is still measured.
"""

from typing import NamedTuple

import jax
import numpy as np

from jaxgen import checks
from jaxgen.evaluation.bridge.measure import Continuous, right_side
from jaxgen.evaluation.bridge.sets import Sets
from jaxgen.types import Cond, Key, Params

HALVINGS = 14
MOST_HALVED = 512


class Crossings(NamedTuple):
    """Hold the local bound as measured along paths of noise.

    Attributes:
        stretch: The mean of `|J^T n|` in the gap, from the total variation of the distance; a coarse path reads it low, never high.
        stretch_stderr: Its standard error.
        least: The bound.
        z: Their difference over its standard error.
        jumps: The share of steep steps that stay as steep when the step is halved 14 times; near 1 for a map that is not continuous, and
            NaN if there is no steep step.
    """

    stretch: float
    stretch_stderr: float
    least: float
    z: float
    jumps: float


def crossings(
    key: Key,
    of: Continuous,
    params: Params,
    sets: Sets,
    members: tuple[int, ...] = (0,),
    *,
    num: int = 512,
    points: int = 32,
    cond: Cond = None,
) -> Crossings:
    """Measure the local bound along paths of noise, without a derivative of the map.

    Args:
        key: Random key of the paths.
        of: One of `continuous_maps(model, params)`.
        params: The model's params.
        sets: Separated sets of events.
        members: The sets whose union is the set of the bound.
        num: Number of paths.
        points: Number of points on each path.
        cond: One condition `(*cond)`, or None.

    Returns:
        Both sides, and whether the map jumps.
    """
    checks.count("crossings: num", num, 2)
    checks.count("crossings: points", points, 2)
    ends = np.asarray(jax.random.normal(key, (2, num, of.size)))
    width = sets.gap(members)

    def distance(angle: np.ndarray, rows: np.ndarray) -> np.ndarray:
        eps = np.cos(angle)[:, None] * ends[0, rows] + np.sin(angle)[:, None] * ends[1, rows]
        return sets.distance(of.events(params, eps.astype(ends.dtype), cond), members)[0]

    angles = np.linspace(0, np.pi / 2, points)
    rows = np.repeat(np.arange(num), points)
    away = distance(np.tile(angles, num), rows)
    steps = np.diff(np.minimum(away, width).reshape(num, points), axis=1)
    variation = np.sqrt(2 / np.pi) * np.abs(steps).sum(1)
    least, influence = right_side(away, width)
    error = (variation - influence.reshape(num, points).mean(1)).std(ddof=1) / np.sqrt(num)
    mean = float(variation.mean())
    path, step = np.nonzero(np.abs(steps) > width / 2)
    jumps = _jumps(distance, path[:MOST_HALVED], angles[step[:MOST_HALVED]], angles[1], width)
    z = (mean - least) / error if error > 0 else float("nan")
    return Crossings(mean, float(variation.std(ddof=1) / np.sqrt(num)), least, float(z), jumps)


def _jumps(distance, rows: np.ndarray, low: np.ndarray, length: float, width: float) -> float:  # noqa: ANN001
    """Halve each step, keep the half that varies more, and return the share of steps that end as steep as they began."""
    if len(rows) == 0:
        return float("nan")
    high = low + length
    below, above = (np.minimum(distance(angle, rows), width) for angle in (low, high))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        between = np.minimum(distance(middle, rows), width)
        first = np.abs(between - below) > np.abs(above - between)
        low, high = np.where(first, low, middle), np.where(first, middle, high)
        below, above = np.where(first, below, between), np.where(first, between, above)
    return float(np.mean(np.abs(above - below) > width / 4))
