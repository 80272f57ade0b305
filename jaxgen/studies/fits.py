"""Two protocols of every comparison: both arms from scratch for equal steps, and both from one trained first stage."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxgen.objective import Batch
from jaxgen.studies.effects import figure_rows
from jaxgen.studies.study import Row, completed
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


def two_protocols(arms: Sequence[Arm], training: Training, judge: Figures, *, differences: Collection[str] = ()) -> list[Row]:
    """Train all arms for equal steps from scratch, then all for half as many from where the first, plain arm ended.

    The keys of all arms are the same, so that initialisation and batches are paired.

    Args:
        arms: The plain arm, then the arms with a change, which are compared with it. The params of all have the same shapes.
        training: What all share.
        judge: The figures of trained params.
        differences: The names of the figures whose effects are differences, as `effects.figure_rows` takes them.

    Returns:
        Rows of the protocols "equal steps" and "same first stage".
    """
    first, second = jax.random.split(jax.random.key(training.seed))
    scratch = [trained(arm, training, first) for arm in arms]
    further = training._replace(steps=max(1, training.steps // 2))
    rows: list[Row] = []
    for arm, fitted in zip(arms, scratch, strict=True):
        later = trained(arm, further, second, scratch[0])
        against = None if arm is arms[0] else arms[0].name
        for protocol, params in ((EQUAL_STEPS, fitted.params), (SAME_STAGE, later.params)):
            figures = judge(arm.entry, params)
            rows += figure_rows(figures, protocol=protocol, arm=arm.name, against=against, differences=differences)
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
    options = {"batch_size": training.batch_size, "ema": arm.ema, "start": begin, "progress": False}
    return completed(fit(key, arm.entry, training.data, training.steps, **options))
