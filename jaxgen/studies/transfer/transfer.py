"""One transfer of a method from its family to another: how it is run, and what is predicted of it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxgen import data
from jaxgen.evaluation import sliced_w2
from jaxgen.model import Model, sample
from jaxgen.studies.study import Prediction, Row
from jaxgen.types import Params

NUM_SAMPLES = 10_000
"""The number of samples, and of real events, behind a distance."""


class Transfer(NamedTuple):
    """A method that is moved from its family to another one.

    Attributes:
        name: Its name in cells and rows.
        quick_steps: The number of training steps of the quick form.
        full_steps: The number of training steps of the full form.
        run: `run(seed, steps) -> rows` for one seed, with the fields of `effects.figure_rows`.
        predictions: What was predicted before the first run.
    """

    name: str
    quick_steps: int
    full_steps: int
    run: Callable[[int, int], Sequence[Row]]
    predictions: tuple[Prediction, ...]


def plane(name: str, seed: int) -> np.ndarray:
    """Return 50,000 training events `(50_000, 2)` of a named density.

    Args:
        name: The name of the density.
        seed: The seed; every seed has events of its own.
    """
    return data.load(name, num_train=50_000, num_valid=1, num_test=1, seed=seed).train


def distance(model: Model, params: Params, name: str, seed: int) -> float:
    """Return the sliced W2 between samples of a model and fresh events of the density it was trained on.

    Args:
        model: The model.
        params: Its params.
        name: The name of the density.
        seed: The seed of samples and events; arms of one seed are judged by the same events.
    """
    samples = np.asarray(sample(jax.random.key(seed + 1_000), model, params, NUM_SAMPLES, batch_size=NUM_SAMPLES))
    return sliced_w2(samples, data.draw(name, seed, NUM_SAMPLES))
