"""One objective for all: drifting with one set of hyperparameters against the objective that each transform is usually trained by."""

from collections.abc import Sequence

import numpy as np

from jaxgen import viz
from jaxgen.studies.matrix import TABLE_COLUMNS, texts
from jaxgen.studies.measured import cell_of, measure
from jaxgen.studies.pairings import NATIVE
from jaxgen.studies.study import Cell, Prediction, Row, Study, Table, Verdict
from jaxgen.studies.transforms_compared import ROWS

ONE = "drifting"
CONTINUOUS = tuple(name for name, row in ROWS.items() if not row.categories)
IN_MANY_DIMENSIONS = ("coupling", "ODE on a grid", "free generator")
FADING = (ONE, "energy", "sliced W2")
DISTANCES = ("energy", "sw2")


def _cells(quick: bool, seeds: Sequence[int]) -> list[Cell]:
    seeds, num_steps = seeds[:3], 300 if quick else 1_000
    plane = [cell_of(row, column, 2, num_steps, seeds) for row in CONTINUOUS for column in (NATIVE, ONE)]
    if quick:
        return plane
    return plane + [cell_of(row, c, dim, num_steps, seeds) for dim in (8, 64) for row in IN_MANY_DIMENSIONS for c in (NATIVE, *FADING)]


def ratios(rows: Sequence[Row], dim: int, column: str = ONE) -> dict[str, float | None]:
    """Return, for each transform that has both, the excess of an objective over that of the native objective.

    It is the larger of the ratios of the two distances, each of the mean over seeds. A distance at which the native objective is at its
    floor, within one standard deviation over test draws, does not count; None if neither does.

    Args:
        rows: The rows with status "ok".
        dim: The number of coordinates.
        column: The objective.
    """
    found: dict[str, float | None] = {}
    for name in ROWS:
        old, new = ([r for r in rows if (r["transform"], r["dim"], r["objective"]) == (name, dim, c)] for c in (NATIVE, column))
        if old and new:
            counted = [ratio for distance in DISTANCES if (ratio := _ratio(old, new, distance)) is not None]
            found[name] = max(counted, default=None)
    return found


def _ratio(old: Sequence[Row], new: Sequence[Row], distance: str) -> float | None:
    before, after = (float(np.mean([row[f"{distance}_excess"] for row in rows])) for rows in (old, new))
    return after / before if before > old[0][f"{distance}_spread"] else None


def _at_most(limit: float, share: float, dim: int, column: str = ONE) -> Prediction:
    """Predict that the ratio is at most `limit` for this share of the transforms that are not at their floor."""

    def judge(rows: Sequence[Row]) -> Verdict:
        found = ratios(rows, dim, column)
        counted = {name: ratio for name, ratio in found.items() if ratio is not None}
        good = sum(ratio <= limit for ratio in counted.values())
        shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in sorted(counted.items(), key=lambda item: item[1]))
        at_floor = ", ".join(name for name, ratio in found.items() if ratio is None)
        evidence = f"{good} of {len(counted)}: {shown or 'none'}; at the floor: {at_floor or 'none'}."
        return Verdict(good >= share * len(counted) if counted else None, evidence)

    many = "Every transform" if share == 1 else f"{share:.0%} of the transforms"
    claim = f"d = {dim}: {many} trained by {column} comes within {limit:g} times the excess of its native objective, where that is not at its floor."
    return Prediction(claim, f"The ratio of either distance is above {limit:g} for more of them.", judge)


def _finite(dim: int) -> Prediction:
    """Predict that every transform trains to finite figures from every seed."""

    def judge(rows: Sequence[Row]) -> Verdict:
        by_name = {name: [r for r in rows if (r["transform"], r["dim"], r["objective"]) == (name, dim, ONE)] for name in CONTINUOUS}
        lost = [name for name, good in by_name.items() if good and len(good) < len(good[0]["seeds"])]
        absent = [name for name, good in by_name.items() if not good]
        evidence = f"Without figures from a seed: {', '.join(lost) or 'none'}; from all seeds or not run: {', '.join(absent) or 'none'}."
        return Verdict(False if lost else (None if absent else True), evidence)

    return Prediction(
        f"d = {dim}: every transform trained by {ONE} has finite figures from every seed.",
        "The training of a seed diverges, or a sample is not finite.",
        judge,
    )


def _far(dim: int, column: str) -> Prediction:
    """Predict that an objective fades: no transform comes within twice the excess of its native objective."""

    def judge(rows: Sequence[Row]) -> Verdict:
        counted = {name: ratio for name, ratio in ratios(rows, dim, column).items() if ratio is not None}
        shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in counted.items())
        return Verdict(min(counted.values()) > 2 if counted else None, f"{shown or 'none'}.")

    return Prediction(
        f"d = {dim}: {column} fades, and stays above twice the excess of the native objective for every transform.",
        "The ratio of some transform is at most 2.",
        judge,
    )


def _sections(rows: Sequence[Row]) -> list[viz.Section]:
    found = {(dim, column): ratios(rows, dim, column) for dim in (2, 8, 64) for column in FADING}
    runs = [
        viz.Run([str(dim), column, name, "at its floor" if ratio is None else f"{ratio:.2f}"])
        for (dim, column), by_name in found.items()
        for name, ratio in by_name.items()
    ]
    columns = {
        "d": "Number of coordinates.",
        "objective": "The objective that is the same for all.",
        "transform": "How noise becomes data.",
        "ratio": "Excess over that of the native objective, the larger of the two distances, means over seeds.",
    }
    return [viz.Section("Against the native objective", "Below 1 the one objective is the better one.", columns=columns, runs=runs)]


UNIVERSAL = Study(
    "universal",
    "Is there one objective, with one learning rate and one set of hyperparameters, that trains every transform as well as its own does?",
    (
        _at_most(1.5, 1.0, 2),
        _at_most(1.25, 0.8, 2),
        _finite(2),
        _at_most(1.5, 1.0, 8),
        _far(64, "energy"),
        _far(64, "sliced W2"),
    ),
    _cells,
    measure,
    Table(TABLE_COLUMNS, texts, _sections),
    10,
    60,
)
