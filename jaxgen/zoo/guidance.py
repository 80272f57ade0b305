"""Classifier-free guidance in the zoo: dropped conditions in training, and a guided network in sampling (arXiv 2207.12598)."""

import numpy as np

from jaxgen import checks
from jaxgen.objective import Objective
from jaxgen.objectives import without_condition
from jaxgen.paths import Prediction, guided

DROPPED = 0.1
"""The fraction of conditions that training drops."""


def check_guidance(name: str, guidance: float, cond_dim: int | None) -> None:
    """Refuse a negative scale of guidance, or a scale other than 1 without conditions.

    Args:
        name: The name of the entry, for the message.
        guidance: The scale of classifier-free guidance.
        cond_dim: The size of a condition; None without conditions.

    Raises:
        ValueError: The scale is negative, or it is not 1 and there are no conditions.
    """
    checks.number(f"{name}: guidance", guidance, least=0)
    if guidance != 1 and cond_dim is None:
        raise ValueError(f"{name}: guidance={guidance!r}; accepted: 1.0, or another scale for an entry with conditions (cond_shape).")


def steered(prediction: Prediction, cond_dim: int | None, guidance: float) -> Prediction:
    """Guide a prediction; an all-zero condition stands for none.

    Args:
        prediction: The prediction.
        cond_dim: The size of a condition; None without conditions.
        guidance: The scale of classifier-free guidance.

    Returns:
        The guided prediction, or `prediction` itself for a scale of 1 or without conditions.
    """
    return prediction if guidance == 1 or cond_dim is None else guided(prediction, guidance, null_cond=np.zeros(cond_dim))


def with_dropout(objective: Objective, guidance: float) -> Objective:
    """Drop a tenth of the conditions in training, as guidance needs it.

    Args:
        objective: The objective.
        guidance: The scale of classifier-free guidance.

    Returns:
        The objective with dropped conditions, or `objective` itself for a scale of 1.
    """
    return objective if guidance == 1 else without_condition(objective, DROPPED)
