"""The matrix: which transform can be trained by which objective, and how well; what makes no sense is refused with its reason."""

from collections.abc import Sequence

import numpy as np

from jaxgen import viz
from jaxgen.studies.measured import cell_of, measure
from jaxgen.studies.pairings import COLUMNS
from jaxgen.studies.study import Cell, Prediction, Row, Study, Table, Verdict
from jaxgen.studies.transforms_compared import ROWS
from jaxgen.viz.figure import Drawing, plain_axes

QUICK_COLUMNS = ("likelihood", "non-saturating game", "flow matching", "energy", "drifting")
NUM_SEEDS = 3

TABLE_COLUMNS = {
    "transform": "How noise becomes data.",
    "objective": "What trains it.",
    "d": "Number of coordinates.",
    "seed": "Seed of initialisation, batches and samples.",
    "energy": "Energy distance to test data less its floor, the mean over 20 test draws of 1,000 points.",
    "SW2": "Sliced 2-Wasserstein distance less its floor, over the same draws.",
    "floor": "The floor of the sliced distance: that of other test data.",
    "NLL": "Negative log-likelihood in nats of 1,000 test points; of a bound, from 10 draws.",
    "density": "What kind of number the likelihood is.",
    "samples/s": "Samples per second, in pieces of 1,000.",
    "train s": "Seconds of training of all seeds together, without compilation.",
}


def _cells(quick: bool, seeds: Sequence[int]) -> list[Cell]:
    columns, num_steps = (QUICK_COLUMNS, 150) if quick else (tuple(COLUMNS), 2_000)
    return [cell_of(row, column, 2, num_steps, seeds[:NUM_SEEDS], 256 if quick else 512) for row in ROWS for column in columns]


def texts(row: Row) -> list[str]:
    """Return the cells of the table for a row with status "ok".

    Args:
        row: A row of `measure`.
    """
    nll = "-" if row["nll"] is None else f"{row['nll']:.3f}"
    head = [row["transform"], row["objective"], str(row["dim"]), str(row["seed"])]
    distances = [f"{row['energy_excess']:.4f}", f"{row['sw2_excess']:.4f}", f"{row['sw2_floor']:.4f}"]
    return [*head, *distances, nll, row["density"], f"{row['samples_per_second']:.3g}", f"{row['train_seconds']:.0f}"]


def _valid_cells(rows: Sequence[Row]) -> Verdict:
    cells = {(row["transform"], row["objective"]) for row in rows}
    return Verdict(len(cells) >= 40 if cells else None, f"{len(cells)} pairings have figures.")


def _useful_cells(rows: Sequence[Row]) -> Verdict:
    by_cell: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        by_cell.setdefault((row["transform"], row["objective"]), []).append(row["energy_excess"])
    # Of standard normal noise this target is an energy distance of about .1 away.
    poor = sorted(f"{t} by {o}" for (t, o), values in by_cell.items() if np.mean(values) > 0.1)
    holds = len(poor) <= 0.1 * len(by_cell) if by_cell else None
    return Verdict(holds, f"{len(by_cell) - len(poor)} of {len(by_cell)} pairings; not {', '.join(poor) or 'one'}.")


def sections(rows: Sequence[Row]) -> list[viz.Section]:
    """Return a strip of samples for each transform: the target, and the samples of each objective's first seed.

    Args:
        rows: The rows with status "ok".
    """
    strips = []
    for name in ROWS:
        shown = [row for row in rows if row["transform"] == name and "samples" in row]
        if shown:
            strips.append(_strip(name, shown))
    text = "Each row is a transform. The first picture is the target, the others are samples of the first seed, with the excess energy distance."
    return [viz.Section("Samples", text, strips)] if strips else []


def _strip(name: str, shown: Sequence[Row]) -> Drawing:
    figure = Drawing((1.35 * (len(shown) + 1), 1.75))
    axes = np.atleast_1d(figure.subplots(1, len(shown) + 1))
    pictures = [(name, np.asarray(shown[0]["target"])), *((row["objective"], np.asarray(row["samples"])) for row in shown)]
    labels = ["target", *(f"{row['energy_excess']:.3f}" for row in shown)]
    for ax, (title, points), label in zip(axes, pictures, labels, strict=True):
        ax.scatter(*points.T, s=0.8, linewidths=0, color="#6f7f95")
        plain_axes(ax, title, label)
        ax.set(xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), xticks=[], yticks=[], aspect="equal")
        ax.title.set_fontsize(6)
    figure.tight_layout(pad=0.4)
    return figure


MATRIX = Study(
    "matrix",
    "Find which transforms which objectives can train, and how well; what makes no sense is refused with its mathematical reason.",
    (
        Prediction("At least 40 pairings of a transform and an objective train to finite figures.", "Fewer than 40 do.", _valid_cells),
        Prediction(
            "Nine pairings in ten come closer to the target than an energy distance of .1 beyond the floor.",
            "More than a tenth of the pairings stay farther away.",
            _useful_cells,
        ),
    ),
    _cells,
    measure,
    Table(TABLE_COLUMNS, texts, sections),
    12,
    240,
)
