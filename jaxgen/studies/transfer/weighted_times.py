"""A diffusion's noise levels and weights in flow matching."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import zoo
from jaxgen.objectives import flow_matching, logit_normal_times
from jaxgen.studies.fits import EQUAL_STEPS, SAME_STAGE, Arm, Training, two_protocols
from jaxgen.studies.predicted import predicted
from jaxgen.studies.study import Row
from jaxgen.studies.transfer.transfer import Transfer, distance, plane
from jaxgen.training import Entry, adam
from jaxgen.types import Params

DATA, NAME = "eight_gaussians", "a diffusion's times in flow matching"
STEPS = (4, 16)
UNIFORM, EDM, LOGIT, SIGMOID = "uniform times", "EDM's noise levels", "logit-normal times", "sigmoid weight"


def run(seed: int, steps: int) -> list[Row]:
    """Match one flow with uniform times, with EDM's levels, with logit-normal times, and with the sigmoid weight of a diffusion.

    Args:
        seed: The seed.
        steps: The number of steps from scratch.
    """
    models = {num: zoo.build("cfm", event_shape=(2,), num_steps=num).model for num in STEPS}

    def judge(entry: Entry, params: Params) -> Mapping[str, float]:
        return {f"SW2 at {2 * num} evaluations": distance(model, params, DATA, seed) for num, model in models.items()}

    choices: dict[str, dict[str, Any]] = {
        UNIFORM: {},
        EDM: {"times": logit_normal_times(1.2, 1.2)},
        LOGIT: {"times": logit_normal_times()},
        SIGMOID: {"weight": sigmoid_weight},
    }
    model = models[STEPS[0]]
    arms = [Arm(name, Entry(model, flow_matching(model, **choice), adam(3e-3))) for name, choice in choices.items()]
    return two_protocols(arms, Training(seed, steps, plane(DATA, seed)), judge)


def sigmoid_weight(t: jax.Array) -> jax.Array:
    """Return `2 sigmoid(-lambda)` with `lambda = 2 log(t / (1 - t))`, the log SNR of the straight line: its mean over t is 1.

    Source: arXiv 2303.00848, section 5.1.
    """
    return 2 * (1 - t) ** 2 / (t**2 + (1 - t) ** 2 + jnp.finfo(t.dtype).tiny)


def _pick(protocol: str, arm: str, num_steps: int) -> dict[str, Any]:
    return {"transfer": NAME, "protocol": protocol, "arm": arm, "figure": f"SW2 at {2 * num_steps} evaluations"}


TIMES = Transfer(
    NAME,
    300,
    2_000,
    run,
    (
        predicted(
            "EDM's noise levels change the SW2 of flow matching by less than a factor of 1.5 at 32 evaluations, in both protocols: a null.",
            "A mean ratio is above 1.5 or below 1/1.5.",
            lambda equal, same: all(1 / 1.5 < c.effect.mean < 1.5 for c in (equal, same)),
            _pick(EQUAL_STEPS, EDM, 16),
            _pick(SAME_STAGE, EDM, 16),
        ),
    ),
)
