"""What the validation losses of a fit say, in words."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxgen.training.history import PATIENCE
from jaxgen.types import PyTree

NEAR = 0.8
"""A best loss after this fraction of the training may be followed by a better one, if training goes on."""


class Verdict(NamedTuple):
    """Hold what the validation losses of a fit say.

    Attributes:
        loss: The best validation loss.
        step: The step after which it was taken, or, if the training cooled down after it had overfitted, the step of the best loss before.
        overfits: Whether that was before the last fifth of the training, or ten losses in a row after it were no better.
    """

    loss: float
    step: int
    overfits: bool

    def __str__(self) -> str:
        said = f"overfits since step {self.step}" if self.overfits else "more steps may help"
        return f"best validation loss {self.loss:.4f} at step {self.step}, {said}"


def verdict(history: Mapping[str, PyTree]) -> Verdict | None:
    """Return what the validation losses of a fit say.

    Args:
        history: The history of a `Fitted`.

    Returns:
        The best loss and whether the model overfits since, or None if there is no validation loss that is a number.

    >>> import numpy as np
    >>> str(verdict({"valid_loss": np.array([2.0, 1.0, 3.0]), "valid_step": np.array([5, 10, 15])}))
    'best validation loss 1.0000 at step 10, overfits since step 10'
    """
    losses, steps = np.asarray(history.get("valid_loss", ()), np.float64), np.asarray(history.get("valid_step", ()))
    if not np.isfinite(losses).any():
        return None
    losses = np.where(np.isfinite(losses), losses, math.inf)
    best = int(np.argmin(losses))
    before = int(np.argmin(losses[:best])) if best else 0
    if best - before > PATIENCE:
        return Verdict(float(losses[best]), int(steps[before]), overfits=True)
    return Verdict(float(losses[best]), int(steps[best]), bool(steps[best] < NEAR * steps[-1]))
