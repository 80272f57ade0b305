"""What does invertibility cost, and what its Lipschitz bound? Six kinds of map, one objective, equal parameters and steps."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxgen.evaluation import sliced_w2
from jaxgen.model import sample
from jaxgen.objectives import energy
from jaxgen.studies.effects import effects_section, figure_rows
from jaxgen.studies.predicted import predicted
from jaxgen.studies.relax.models import AUGMENTED, BOUNDED, COUPLING, FREE, INDEX, KINDS, build
from jaxgen.studies.relax.targets import TARGETS
from jaxgen.studies.study import QUICK_SEEDS, Cell, Prediction, Row, Study, Table, completed
from jaxgen.training import Entry, adam, fit
from jaxgen.viz import Section

EQUAL, BOUND = "equal parameters and steps", "the Lipschitz bound alone"
SW2, OFF = "SW2", "off-mode mass"
QUICK_TARGETS = ("bananas", "eight_gaussians")
_COLUMNS = {
    "target": "The density that is learnt.",
    "kind": "The map of noise to data.",
    "seed": "The seed.",
    "protocol": "What is held equal.",
    "figure": "What is measured.",
    "value": "Its value.",
}


def _cells(quick: bool, seeds: Sequence[int]) -> list[Cell]:
    targets, steps = (QUICK_TARGETS, 150) if quick else (tuple(TARGETS), 5_000)
    return [
        {"target": target, "kind": kind, "num_params": 10_000, "steps": steps, "seed": seed}
        for target in targets
        for kind in KINDS
        for seed in (seeds[:QUICK_SEEDS] if quick else seeds)
    ]


def _run(cell: Cell) -> list[Row]:
    target, kind, seed = TARGETS[cell["target"]], cell["kind"], cell["seed"]
    model = build(kind, target.dim, cell["num_params"])
    entry = Entry(model, energy(model), adam(2e-3))
    params = completed(fit(jax.random.key(seed), entry, target.draw(seed, 50_000), cell["steps"], progress=False)).params
    samples = np.asarray(sample(jax.random.key(seed + 1_000), model, params, 10_000, batch_size=10_000))
    figures = {SW2: sliced_w2(samples, target.draw(seed + 1_000, 10_000))}
    if target.off_mode is not None:
        figures[OFF] = target.off_mode(samples)
    rows = figure_rows(figures, protocol=EQUAL, arm=kind, against=None if kind == COUPLING else COUPLING, differences=(OFF,))
    if kind in (BOUNDED, FREE):
        rows += figure_rows(figures, protocol=BOUND, arm=kind, against=BOUNDED if kind == FREE else None, differences=(OFF,))
    return rows


def _pick(target: str, arm: str, figure: str = SW2, protocol: str = EQUAL) -> dict[str, Any]:
    return {"target": target, "protocol": protocol, "arm": arm, "figure": figure}


_PREDICTIONS: tuple[Prediction, ...] = (
    predicted(
        "The Lipschitz bound costs a residual map at least a factor of 2 in SW2 on eight modes.",
        "The mean ratio of the free to the bounded residual map is above 1/2.",
        lambda c: c.effect.mean <= 0.5,
        _pick("eight_gaussians", FREE, protocol=BOUND),
    ),
    predicted(
        "Invertibility as such costs nothing on eight modes: the free generator is not better than the strict coupling.",
        "The interval of the ratio of SW2 lies below 1.",
        lambda c: c.effect.high >= 1,
        _pick("eight_gaussians", "free generator"),
    ),
    predicted(
        "The index cuts the mass off the modes to a third at most on eight modes.",
        "The mean with the index is above a third of the mean without it.",
        lambda c: c.after <= c.before / 3,
        _pick("eight_gaussians", INDEX, OFF),
    ),
    predicted(
        "On a connected target in the plane augmentation and a free residual map each lower SW2 by at least a quarter.",
        "A mean ratio is above 3/4.",
        lambda augmented, free: max(augmented.effect.mean, free.effect.mean) <= 0.75,
        _pick("bananas", AUGMENTED),
        _pick("bananas", FREE),
    ),
    predicted(
        "In eight dimensions the index still lowers the mass off the modes.",
        "The interval of the difference is not below 0.",
        lambda c: c.effect.high < 0,
        _pick("gaussian_mixture, d = 8", INDEX, OFF),
    ),
)


def _texts(row: Row) -> list[str]:
    return [str(row[name]) for name in ("target", "kind", "seed", "protocol", "figure")] + [f"{row['value']:.4g}"]


def _sections(rows: Sequence[Row]) -> list[Section]:
    text = "All kinds are trained by the energy distance with one learning rate, batch size and number of parameters."
    return [effects_section(rows, "Effects", text, ("target",))]


RELAX = Study(
    "relax",
    "What does invertibility cost a map of noise to data, and what its Lipschitz bound: strict, augmented and indexed couplings, residual "
    "maps with and without their bound, and a free generator, at equal parameters under one objective?",
    _PREDICTIONS,
    _cells,
    _run,
    Table(_COLUMNS, _texts, _sections),
    quick_minutes=9,
    full_minutes=300,
)
