"""The row of one entry in a report: which of the computed arrays are shown, and under which titles."""

import numpy as np

from jaxgen.evaluation import Followed, by_deviation, codes_of, critic_field, plane, within_reach
from jaxgen.training import Entry, Fitted
from jaxgen.viz.picture import Dropped, Picture, Stage

NUM_PATHS = 60

Field = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Coordinates `(nx,)` and `(ny,)` of a grid, and values `(ny, nx)` on it."""


def picture(entry: Entry, fitted: Fitted, followed: Followed, target: np.ndarray, density: Field | None, density_label: str) -> Picture:
    """Assemble the row of one entry.

    Args:
        entry: The entry, whose name, family and objective are printed.
        fitted: Its trained parameters and auxiliaries.
        followed: What `jaxgen.evaluation.follow` returned.
        target: Real events `(m, d)`.
        density: The learned log density on a grid, or None.
        density_label: The kind of that density.

    Returns:
        A picture that `jaxgen.viz.draw_row` draws.
    """
    count = followed.states.shape[1]
    shown = np.unique(np.linspace(0, count, 5).round().astype(int))[1:] - 1 if count > 1 else np.array([0])
    # Noise of one coordinate has no grid.
    lined = len(followed.grid) > 0
    columns = [Stage("base noise", followed.noise, followed.grid if lined else None)]
    for i in shown:
        label = "output" if i == count - 1 else _label(entry, i + 1, count)
        columns.append(Stage(label, followed.states[:, i], followed.grid_states[:, :, i] if lined else None))
    # Trajectories start where the flow does: noise in the scale of the path, which the first state is close to.
    paths, scaled = within_reach(followed.states[:NUM_PATHS], followed.states, target)
    return Picture(
        entry.card.name,
        entry.card.family,
        entry.card.objective,
        entry.card.reading,
        followed.noise,
        followed.base_kind,
        tuple(columns),
        plane(target),
        density,
        density_label,
        paths if moves(entry) else None,
        "trajectories, scaled" if scaled else "trajectories",
        dropped_parts(entry, fitted, target),
        entry.card.style.accent,
    )


def dropped_parts(entry: Entry, fitted: Fitted, target: np.ndarray) -> tuple[Dropped, ...]:
    """Return what training used and sampling drops: the codes of an encoder, and a critic over the plane of two coordinates.

    Args:
        entry: The entry.
        fitted: Its trained parameters and auxiliaries.
        target: Real events `(m, d)`.
    """
    parts = []
    if "encode" in entry.model.transform.parts:
        codes = codes_of(entry.model, fitted.params, target)
        parts.append(Dropped("encoder: codes of the data", "points", plane(codes[:, by_deviation(codes)])))
    for title, critic in entry.card.dropped.items() if target.shape[1] == 2 else ():
        parts.append(Dropped(title, "field", field=critic_field(critic, fitted.aux, target)))
    return tuple(parts)


def moves(entry: Entry) -> bool:
    """Say whether points move along paths in time."""
    return entry.card.style.moves or "velocity" in entry.model.transform.parts


def _label(entry: Entry, step: int, count: int) -> str:
    label = "t = {time:.2f}" if moves(entry) else entry.card.style.stage
    return label.format(step=step, time=step / count)
