"""Do methods transfer between families? Each transfer is paired over seeds under two protocols, which may disagree on its sign."""

from collections.abc import Sequence

from jaxgen.studies.effects import effects_section
from jaxgen.studies.study import QUICK_SEEDS, Cell, Row, Study, Table
from jaxgen.studies.transfer.distilled_sde import DISTILLED
from jaxgen.studies.transfer.drifted_decoders import DRIFTED
from jaxgen.studies.transfer.games import GAMES
from jaxgen.studies.transfer.likelihood_games import FLOW_GAME
from jaxgen.studies.transfer.posteriors import POSTERIORS
from jaxgen.studies.transfer.priors import PRIORS_MNIST, PRIORS_PLANE
from jaxgen.studies.transfer.transfer import Transfer
from jaxgen.studies.transfer.transport import TRANSPORT
from jaxgen.studies.transfer.weighted_times import TIMES
from jaxgen.viz import Section

_ALL = (TRANSPORT, PRIORS_PLANE, PRIORS_MNIST, POSTERIORS, DRIFTED, GAMES, FLOW_GAME, DISTILLED, TIMES)
TRANSFERS: dict[str, Transfer] = {transfer.name: transfer for transfer in _ALL}
"""The transfers by name."""
_COLUMNS = {
    "transfer": "The method that is moved, and where to.",
    "seed": "The seed.",
    "protocol": "What is held equal.",
    "arm": "What was trained.",
    "figure": "What is measured.",
    "value": "Its value.",
}


def _cells(quick: bool, seeds: Sequence[int]) -> list[Cell]:
    return [
        {"transfer": transfer.name, "steps": transfer.quick_steps if quick else transfer.full_steps, "seed": seed}
        for transfer in TRANSFERS.values()
        for seed in (seeds[:QUICK_SEEDS] if quick else seeds)
    ]


def _run(cell: Cell) -> Sequence[Row]:
    return TRANSFERS[cell["transfer"]].run(cell["seed"], cell["steps"])


def _texts(row: Row) -> list[str]:
    return [str(row[name]) for name in ("transfer", "seed", "protocol", "arm", "figure")] + [f"{row['value']:.4g}"]


def _sections(rows: Sequence[Row]) -> list[Section]:
    text = "Equal steps: both arms from scratch. Same first stage: both arms go on from one trained model."
    return [effects_section(rows, "Effects", text, ("transfer",))]


TRANSFER = Study(
    "transfer",
    "Do methods transfer between families of generative models: does a method of one family, moved to another, improve it, at equal total "
    "steps and from the same first stage?",
    tuple(prediction for transfer in TRANSFERS.values() for prediction in transfer.predictions),
    _cells,
    _run,
    Table(_COLUMNS, _texts, _sections),
    quick_minutes=9,
    full_minutes=240,
)
