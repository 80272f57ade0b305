"""Two protocols of every comparison: both arms from scratch for equal steps, and both from one trained first stage."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from jaxgen.objective import Batch
from jaxgen.studies.effects import figure_rows
from jaxgen.studies.study import Row
from jaxgen.training import Entry, Fitted, fit, init_state
from jaxgen.types import Params

EQUAL_STEPS, SAME_STAGE = "equal steps", "same first stage"
Figures = Callable[[Entry, Params], Mapping[str, float]]
"""A function `(entry, params) -> figures` by name that judges a trained arm."""


class Arm(NamedTuple):
    """One side of a comparison.

    Attributes:
        name: The name of the arm.
        entry: What is trained.
        ema: The decay of the moving average of the params that is judged; 0 judges the last params.
    """

    name: str
    entry: Entry
    ema: float = 0.999


class Training(NamedTuple):
    """What all arms share.

    Attributes:
        seed: The seed of initialisation, batches and noise.
        steps: The number of steps of a training from scratch.
        data: Events `(n, *event)`.
        batch_size: The number of events in a batch.
    """

    seed: int
    steps: int
    data: np.ndarray
    batch_size: int = 256


def two_protocols(plain: Arm, changed: Arm, training: Training, judge: Figures, *, ratio: bool = True) -> list[Row]:
    """Train both arms for equal steps from scratch, then both for half as many from where the plain arm ended.

    The keys of both arms are the same, so that initialisation and batches are paired.

    Args:
        plain: The arm without the change.
        changed: The arm with the change. Its params have the shapes of the plain arm's.
        training: What both share.
        judge: The figures of trained params.
        ratio: Whether effects on the figures are factors.

    Returns:
        Rows of the protocols "equal steps" and "same first stage".
    """
    first, second = jax.random.split(jax.random.key(training.seed))
    scratch = {arm.name: trained(arm, training, first) for arm in (plain, changed)}
    start, further = scratch[plain.name], training._replace(steps=max(1, training.steps // 2))
    rows: list[Row] = []
    for arm in (plain, changed):
        against = plain.name if arm is changed else None
        rows += figure_rows(judge(arm.entry, scratch[arm.name].params), protocol=EQUAL_STEPS, arm=arm.name, against=against, ratio=ratio)
        params = trained(arm, further, second, start).params
        rows += figure_rows(judge(arm.entry, params), protocol=SAME_STAGE, arm=arm.name, against=against, ratio=ratio)
    return rows


def trained(arm: Arm, training: Training, key: jax.Array, start: Fitted | None = None) -> Fitted:
    """Train one arm.

    Args:
        arm: The arm.
        training: The data and the number of steps.
        key: A random key.
        start: A finished fit, from whose params this one starts with a fresh optimiser; its auxiliaries are taken if they are of the same
            kind and made anew otherwise. None starts from scratch.

    Returns:
        The fit.
    """
    begin = None
    if start is not None:
        batch = Batch(jax.numpy.asarray(training.data[: training.batch_size]))
        fresh = init_state(jax.random.fold_in(key, 1), arm.entry, batch, training.steps)
        same = jax.tree.structure(fresh.aux) == jax.tree.structure(start.aux)
        begin = (start.params, start.aux if same else fresh.aux)
    return fit(key, arm.entry, training.data, training.steps, batch_size=training.batch_size, ema=arm.ema, start=begin, progress=False)
