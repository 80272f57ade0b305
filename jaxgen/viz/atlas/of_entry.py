"""The panel of a trained entry of vectors: what is followed, and whose density is asked."""

from typing import NamedTuple

import jax
import numpy as np

from jaxgen.evaluation import density_grid
from jaxgen.evaluation.tracks import Track, Tracks, track
from jaxgen.model import log_prob
from jaxgen.training import Entry, Fitted
from jaxgen.transform import Density
from jaxgen.types import Key
from jaxgen.viz.atlas.panel import Label, Panel, Way
from jaxgen.viz.of_entry import dropped_parts, moves

SIZE, DRAWS = 48, 8


class Densities(NamedTuple):
    """Hold log densities in nats where a panel shows them.

    Attributes:
        at_points: Those of `points_of(tracks)`, `(n + m,)`, or None.
        on_grid: Those on `density_grid` of the data, row by row, or None.
        size: The number of points along each axis of the grid.
    """

    at_points: np.ndarray | None
    on_grid: np.ndarray | None = None
    size: int = SIZE

    @staticmethod
    def parted(values: np.ndarray, num: int, size: int | None) -> "Densities":
        """Return `num` values at points and, behind them, `size * size` values on a grid; `size` is None for no grid."""
        return Densities(values[:num] if num else None, None if size is None else values[num:], size or SIZE)


def points_panel(key: Key, entry: Entry, fitted: Fitted, data: np.ndarray, name: str = "", source: str = "data") -> Panel:
    """Compute the panel of a trained entry of vectors.

    Args:
        key: Random key of the noise that is not shared, and of densities that are estimated.
        entry: The entry.
        fitted: What `fit` returned for it.
        data: Real events `(m, d)`.
        name: What the panel is called; "" takes the name of the entry.
        source: What the data are; rows are marked together in panels of the same data.

    Returns:
        The panel.
    """
    key_track, key_density = jax.random.split(key)
    tracks = track(key_track, entry.model, fitted.params, data)
    return panel_of(entry, fitted, data, tracks, _densities(key_density, entry, fitted, data, tracks), name, source)


def panel_of(
    entry: Entry, fitted: Fitted, data: np.ndarray, tracks: Tracks, densities: Densities | None, name: str = "", source: str = "data"
) -> Panel:
    """Assemble the panel of what was computed; `points_panel` says what the arguments are.

    Args:
        entry: The entry.
        fitted: What `fit` returned for it.
        data: Real events `(m, d)`.
        tracks: What `jaxgen.evaluation.tracks.track` returned for them.
        densities: The log densities, or None for a model without a density.
        name: What the panel is called.
        source: What the data are.

    Returns:
        The panel.
    """
    card, num = entry.card, len(tracks.samples.noise)
    at_points = None if densities is None else densities.at_points
    log_samples, log_rows = (None, None) if at_points is None else (at_points[:num], at_points[num:])
    density = None
    if densities is not None and densities.on_grid is not None:
        density = (*density_grid(data, densities.size)[:2], densities.on_grid.reshape(densities.size, densities.size))
    kind = str(entry.model.transform.kind) + (", of the ODE" if entry.model.transform.proxy is not None else "")
    shown = slice(-1, None) if tracks.line else slice(None)
    facts = {"density": kind, "evaluations": f"{tracks.nfe:,.0f}"}
    return Panel(
        Label(name or card.name, card.family, card.objective, card.reading, card.style.accent, card.style.sentence, facts),
        _way(tracks.samples, shown, log_samples),
        _way(tracks.rows, shown, log_rows),
        None if tracks.lattice is None else _way(tracks.lattice, shown),
        _plane(data[: len(tracks.rows.noise)]),
        "t = {time}" if moves(entry) else card.style.stage,
        tuple(int(step) for step in tracks.steps[shown]),
        tracks.line,
        tracks.shared,
        tracks.found,
        source,
        kind,
        density,
        dropped_parts(entry, fitted, data),
        data.shape[1] > 2,
    )


def points_of(tracks: Tracks) -> np.ndarray:
    """Return the events whose log density a panel tells when a pointer is over them, `(n + m, d)`."""
    return np.concatenate([tracks.samples.outputs, tracks.rows.outputs])


def _densities(key: Key, entry: Entry, fitted: Fitted, data: np.ndarray, tracks: Tracks) -> Densities | None:
    model = entry.model
    if model.transform.kind is Density.IMPLICIT:
        return None
    draws = 1 if model.transform.kind is Density.EXACT else DRAWS if tracks.nfe <= 2 else 2
    points, size = points_of(tracks), SIZE if model.transform.kind is Density.EXACT or tracks.nfe <= 2 else SIZE // 2
    plane = data.shape[1] == 2
    asked = np.concatenate([points, density_grid(data, size)[2]]) if plane else points
    values = np.asarray(log_prob(model, fitted.params, asked.astype(np.float32), key=key, num_draws=draws).value)
    return Densities.parted(values, len(points), size if plane else None)


def _way(track: Track, shown: slice, log_density: np.ndarray | None = None) -> Way:
    return Way(np.concatenate([track.noise[None], track.states[shown]]), log_density)


def _plane(events: np.ndarray) -> np.ndarray:
    return np.concatenate([events, np.zeros_like(events)], 1) if events.shape[1] == 1 else events[:, :2]
