"""Instance noise and a moving average of the params in a game, with and without the gradient penalty R1."""

from collections.abc import Mapping
from typing import Any

from jaxgen import zoo
from jaxgen.nets import mlp
from jaxgen.objectives import adversarial
from jaxgen.studies.fits import EQUAL_STEPS, SAME_STAGE, Arm, Training, two_protocols
from jaxgen.studies.predicted import predicted
from jaxgen.studies.study import Row
from jaxgen.studies.transfer.transfer import Transfer, distance, plane
from jaxgen.training import Entry, adam, players
from jaxgen.types import Params

DATA, NAME, SW2 = "eight_gaussians", "instance noise and averages in games", "SW2"
WIDTH, DEPTH, NOISE, R1 = 64, 3, 1.0, 0.1


def run(seed: int, steps: int) -> list[Row]:
    """Play the non-saturating game with and without noise, with and without R1, and judge the last and the averaged generator.

    Args:
        seed: The seed.
        steps: The number of steps from scratch.
    """
    training = Training(seed, steps, plane(DATA, seed))

    def judge(entry: Entry, params: Params) -> Mapping[str, float]:
        return {SW2: distance(entry.model, params, DATA, seed)}

    rows: list[Row] = []
    for r1, name in ((0.0, "without R1"), (R1, "with R1")):
        rows += two_protocols([Arm(name, _game(r1, 0.0)), Arm(f"noise, {name}", _game(r1, NOISE))], training, judge)
    last = two_protocols([Arm("last params", _game(R1, 0.0), ema=0.0), Arm("average", _game(R1, 0.0))], training, judge)
    return rows + last


def _game(r1: float, noise: float) -> Entry:
    model = zoo.build("gan", event_shape=(2,), width=WIDTH, depth=DEPTH).model
    critic = mlp(1, width=WIDTH, depth=DEPTH, activation="leaky_relu")
    optimizer = players(adam(1e-3, b1=0.0, b2=0.99), adam(2e-3, b1=0.0, b2=0.99))
    return Entry(model, adversarial(model, critic, r1=r1, instance_noise=noise), optimizer)


def _pick(protocol: str, arm: str) -> dict[str, Any]:
    return {"transfer": NAME, "protocol": protocol, "arm": arm, "figure": SW2}


GAMES = Transfer(
    NAME,
    150,
    2_000,
    run,
    (
        predicted(
            "Instance noise lowers the SW2 of a game without R1, in equal steps.",
            "The interval of the ratio is not below 1.",
            lambda noise: noise.effect.high < 1,
            _pick(EQUAL_STEPS, "noise, without R1"),
        ),
        predicted(
            "With R1 instance noise changes nothing, in equal steps.",
            "The interval of the ratio excludes 1.",
            lambda noise: noise.effect.low <= 1 <= noise.effect.high,
            _pick(EQUAL_STEPS, "noise, with R1"),
        ),
        predicted(
            "The average of the params beats the last ones in both protocols.",
            "An interval of the ratio is not below 1.",
            lambda equal, same: max(equal.effect.high, same.effect.high) < 1,
            _pick(EQUAL_STEPS, "average"),
            _pick(SAME_STAGE, "average"),
        ),
    ),
)
