"""Entries in one line: a model trained by maximum likelihood, and a model of several readings."""

from collections.abc import Mapping
from types import MappingProxyType

from jaxgen.model import Base, Model
from jaxgen.objective import Objective
from jaxgen.objectives import maximum_likelihood
from jaxgen.training import Card, Entry, adam
from jaxgen.training.optimizers import Optimizer
from jaxgen.transform import Transform


def likelihood(
    base: Base,
    transform: Transform,
    learning_rate: float,
    *,
    trained: Transform | None = None,
    by_rows: bool = False,
) -> Entry:
    """Return the entry of a model trained by maximum likelihood with Adam.

    Args:
        base: The base distribution.
        transform: The transform from its noise to events.
        learning_rate: Adam's learning rate.
        trained: Another transform of the same params whose likelihood is trained, for example one with a coarser solver; None trains
            `transform` itself.
        by_rows: Whether a training with validation chooses the weight decay by the number of rows, and cools down where it stops early.
    """
    model = Model(base, transform)
    objective = maximum_likelihood(model if trained is None else Model(base, trained))
    optimizer = adam(learning_rate, weight_decay=None if by_rows else 0.0, cools=by_rows)
    return Entry(model, objective, optimizer, card=Card(objective="maximum likelihood"))


def titled(model: Model, objective: Objective, title: str, optimizer: Optimizer) -> Entry:
    """Return the entry of one model whose card names the objective.

    Args:
        model: The model.
        objective: The objective that trains it.
        title: The title of the objective on pages.
        optimizer: The optimiser.
    """
    return Entry(model, objective, optimizer, card=Card(objective=title))


def read_as(readings: Mapping[str, Model], objective: Objective, title: str, optimizer: Optimizer) -> Entry:
    """Return the entry of params that are read as several models; the first model is the default.

    Args:
        readings: The models by the names of their readings.
        objective: The objective that trains the params.
        title: The title of the objective on pages.
        optimizer: The optimiser.
    """
    reading = next(iter(readings))
    return Entry(readings[reading], objective, optimizer, MappingProxyType(dict(readings)), Card(objective=title, reading=reading))
