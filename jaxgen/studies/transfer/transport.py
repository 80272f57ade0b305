"""Optimal-transport pairs, which flow matching has, in the denoising of a diffusion."""

from collections.abc import Mapping
from typing import Any

from jaxgen import zoo
from jaxgen.studies.fits import EQUAL_STEPS, SAME_STAGE, Arm, Training, two_protocols
from jaxgen.studies.predicted import predicted
from jaxgen.studies.study import Row
from jaxgen.studies.transfer.transfer import Transfer, distance, plane
from jaxgen.training import Entry
from jaxgen.types import Params

DATA, NAME, PAIRS = "eight_gaussians", "transport pairs in denoising", "transport pairs"
EVALUATIONS = (5, 9, 17, 35)


def run(seed: int, steps: int) -> list[Row]:
    """Train EDM's denoiser with independent and with optimal-transport noise, and sample it with few and with many evaluations.

    Args:
        seed: The seed.
        steps: The number of steps from scratch.
    """
    couplings = {"independent": "independent", PAIRS: "optimal_transport"}

    def entry(arm: str, evaluations: int) -> Entry:
        return zoo.build("edm", event_shape=(2,), num_steps=(evaluations + 1) // 2, coupling=couplings[arm])

    arms = {arm: {nfe: entry(arm, nfe) for nfe in EVALUATIONS} for arm in couplings}

    def judge(trained: Entry, params: Params) -> Mapping[str, float]:
        arm = next(name for name, entries in arms.items() if entries[EVALUATIONS[0]] is trained)
        return {f"SW2 at {nfe} evaluations": distance(arms[arm][nfe].model, params, DATA, seed) for nfe in EVALUATIONS}

    compared = [Arm(name, entries[EVALUATIONS[0]]) for name, entries in arms.items()]
    return two_protocols(compared, Training(seed, steps, plane(DATA, seed)), judge)


def _pick(protocol: str, evaluations: int) -> dict[str, Any]:
    return {"transfer": NAME, "protocol": protocol, "arm": PAIRS, "figure": f"SW2 at {evaluations} evaluations"}


TRANSPORT = Transfer(
    NAME,
    400,
    3_000,
    run,
    (
        predicted(
            "Transport pairs divide the SW2 of EDM on eight modes by at least 5 at 9 evaluations, in equal steps.",
            "The mean ratio is above 1/5.",
            lambda at_9: at_9.effect.mean <= 0.2,
            _pick(EQUAL_STEPS, 9),
        ),
        predicted(
            "They gain nothing at 35 evaluations, where the plain denoiser's samples are good already, in equal steps.",
            "The interval of the ratio lies below 1.",
            lambda at_35: at_35.effect.high >= 1,
            _pick(EQUAL_STEPS, 35),
        ),
        predicted(
            "Pairs in a second stage alone halve the SW2 at 9 evaluations at least.",
            "The mean ratio from the same first stage is above 1/2.",
            lambda at_9: at_9.effect.mean <= 0.5,
            _pick(SAME_STAGE, 9),
        ),
    ),
)
