"""Drifting, which trains generators, on the decoder of a variational autoencoder instead of the bound."""

from collections.abc import Mapping
from typing import Any

from jaxgen import zoo
from jaxgen.objectives import drifting
from jaxgen.studies.fits import EQUAL_STEPS, SAME_STAGE, Arm, Training, two_protocols
from jaxgen.studies.predicted import predicted
from jaxgen.studies.study import Row
from jaxgen.studies.transfer.transfer import Transfer, distance, plane
from jaxgen.training import Entry, adam
from jaxgen.types import Params

DATA, NAME, DRIFT = "two_moons", "drifting on a decoder", "drifting"


def run(seed: int, steps: int) -> list[Row]:
    """Train one decoder by the bound and by drifting, which leaves its encoder alone.

    Args:
        seed: The seed.
        steps: The number of steps from scratch.
    """
    bound = zoo.build("vae", event_shape=(2,), depth=3)
    drifted = Entry(bound.model, drifting(bound.model), adam(2e-3))

    def judge(entry: Entry, params: Params) -> Mapping[str, float]:
        return {"SW2": distance(entry.model, params, DATA, seed)}

    return two_protocols([Arm("ELBO", bound), Arm(DRIFT, drifted)], Training(seed, steps, plane(DATA, seed)), judge)


def _pick(protocol: str) -> dict[str, Any]:
    return {"transfer": NAME, "protocol": protocol, "arm": DRIFT, "figure": "SW2"}


DRIFTED = Transfer(
    NAME,
    200,
    2_000,
    run,
    (
        predicted(
            "Drifting lowers the SW2 of a decoder's samples below that of the ELBO, in both protocols.",
            "An interval of the ratio is not below 1.",
            lambda equal, same: max(equal.effect.high, same.effect.high) < 1,
            _pick(EQUAL_STEPS),
            _pick(SAME_STAGE),
        ),
    ),
)
