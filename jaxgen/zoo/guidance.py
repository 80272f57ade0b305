"""Classifier-free guidance in the zoo: dropped conditions in training, and a guided network in sampling (arXiv 2207.12598)."""

import numpy as np

from jaxgen import checks
from jaxgen.objective import Objective
from jaxgen.objectives import without_condition
from jaxgen.paths import Prediction, guided

DROPPED = 0.1


def check_guidance(name: str, guidance: float, cond_dim: int | None) -> None:
    """ValueError for a negative scale, or one other than 1 where there are no conditions."""
    checks.number(f"{name}: guidance", guidance, least=0)
    if guidance != 1 and cond_dim is None:
        raise ValueError(f"{name}: guidance={guidance!r}; accepted: 1.0, or another scale where the entry has conditions (cond_shape).")


def steered(prediction: Prediction, cond_dim: int | None, guidance: float) -> Prediction:
    """`prediction` under guidance of that scale, where an all-zero condition stands for none; itself for 1."""
    return prediction if guidance == 1 or cond_dim is None else guided(prediction, guidance, null_cond=np.zeros(cond_dim))


def with_dropout(objective: Objective, guidance: float) -> Objective:
    """`objective` with a tenth of the conditions dropped where there is guidance; itself for 1."""
    return objective if guidance == 1 else without_condition(objective, DROPPED)
