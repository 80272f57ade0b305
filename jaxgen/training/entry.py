"""An entry: a model with the objective and the optimiser that train it, and the card that pages and folders print."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax

from jaxgen.model import Model
from jaxgen.objective import Objective
from jaxgen.training.optimizers import OptimizerLike, adam
from jaxgen.types import Aux, Cond

Dropped = Callable[[Aux, jax.Array, Cond], jax.Array]
"""A function `(aux, x, cond) -> scalar` of trained auxiliaries and one event, such as a game's critic."""


class Style(NamedTuple):
    """Say how pages and pictures present a family of models.

    Attributes:
        accent: A colour "#rrggbb" that reads on a light and on a dark page.
        sentence: What a picture of the family shows, for the page's reader.
        stage: The label of a picture's stage, in which `{step}` and `{time:.2f}` are filled in.
        moves: Whether points move along paths in time, which pictures draw as trajectories.
    """

    accent: str = "#6f7f95"
    sentence: str = "From base noise to data, every point in the colour of where it started."
    stage: str = "after layer {step}"
    moves: bool = False


class Card(NamedTuple):
    """Hold what pages, folders and progress lines print of an entry; no computation depends on it.

    Attributes:
        name: The entry's name, for example "realnvp".
        family: The family under which pages list the entry.
        objective: The title of the objective, for example "maximum likelihood".
        reading: The name of the reading that `Entry.model` is.
        num_steps: A sensible number of training steps where rows are plenty.
        batch_size: A sensible number of events of a step.
        config: JSON values from which `jaxgen.load` rebuilds the entry; empty for an entry made by hand.
        dropped: Functions of the auxiliaries that sampling drops, by title; pictures draw them in grey.
        style: How pages and pictures present the entry's family.
    """

    name: str = "model"
    family: str = ""
    objective: str = ""
    reading: str = "default"
    num_steps: int = 3_000
    batch_size: int = 256
    config: Mapping[str, Any] = MappingProxyType({})
    dropped: Mapping[str, Dropped] = MappingProxyType({})
    style: Style = Style()


class Entry(NamedTuple):
    """Hold what `fit` trains: a model, an objective and an optimiser; `jaxgen.zoo.build` returns one.

    Entries are compared and hashed by identity, because their functions are closures.

    Attributes:
        model: The model that is sampled and evaluated unless another reading is asked for.
        objective: How the params are learnt.
        optimizer: An optax optimiser over the tuple `(params, aux)`, such as `optax.adam(1e-3)`, or a function of the number of steps that
            returns one, such as `jaxgen.training.adam(1e-3)`, whose learning rate falls over the training.
        readings: The models that the same params can be read as, by name ("ancestral", "ode" ...); empty if `model` is the only one.
        card: What pages and folders print.

    >>> import jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.triangular_affine())
    >>> entry = jaxgen.Entry(model, jaxgen.objectives.maximum_likelihood(model))
    >>> entry.card.name, list(entry.models)
    ('model', ['default'])
    """

    model: Model
    objective: Objective
    optimizer: OptimizerLike = adam(1e-3)
    readings: Mapping[str, Model] = MappingProxyType({})
    card: Card = Card()

    @property
    def models(self) -> Mapping[str, Model]:
        """Return every model that the params can be read as, by name: `readings`, or `model` alone if there are none."""
        return self.readings or {self.card.reading: self.model}

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        # A tuple has a comparison of its own for `!=`, which would compare fields.
        return self is not other
