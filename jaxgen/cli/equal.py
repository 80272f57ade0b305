"""Equal terms of `jaxgen compare`: for how many steps each model is trained."""

from typing import Literal

import jax

from jaxgen.evaluation import step_flops
from jaxgen.training import Entry, fit
from jaxgen.types import Event

Equal = Literal["params", "flops", "seconds"]

AMOUNTS = {"flops": 2e11, "seconds": 30.0}
QUICK = 1 / 30
TRIAL = 50
LEAST = 20


def steps_of(equal: Equal, amount: float | None, quick: bool, entry: Entry, x: Event, batch_size: int) -> int | None:
    """Return the number of training steps that brings a model to the common budget.

    Args:
        equal: What is equal beside the number of params: nothing more ("params"), floating-point operations or seconds of training.
        amount: The budget; None is `AMOUNTS`.
        quick: Whether a default budget is for a quick run.
        entry: The entry.
        x: Training events `(n, d)`.
        batch_size: The number of events in a batch.

    Returns:
        The steps, at least 20; None for "params", where each model has its own.
    """
    if equal == "params":
        return None
    budget = AMOUNTS[equal] * (QUICK if quick else 1) if amount is None else amount
    cost = step_flops(entry, x.shape[1:], batch_size) if equal == "flops" else _seconds_per_step(entry, x, batch_size)
    return max(LEAST, round(budget / cost))


def _seconds_per_step(entry: Entry, x: Event, batch_size: int) -> float:
    """Train for a moment: what a step takes depends on the machine, and on host work that no count of operations sees."""
    history = fit(jax.random.key(0), entry, x, TRIAL, batch_size=batch_size, progress=False).history
    return history["train_seconds"] / TRIAL
