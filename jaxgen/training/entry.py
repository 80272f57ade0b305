"""An entry: a named model with the objective and the optimiser that train it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import optax

from jaxgen.model import Model
from jaxgen.objective import Objective


class Entry(NamedTuple):
    """What `fit` needs and `jaxgen.zoo.build` returns.

    readings:  the models that one set of params can be read as, by name ("ancestral", "ode" ...); `model` is the default, `reading` its name.
    optimizer: `num_steps -> optax.GradientTransformation` over the tuple `(params, aux)`, as schedules need the number of steps.
    num_steps: a sensible length of training on two-dimensional data.
    config:    JSON from which `jaxgen.load` rebuilds the entry.
    """

    name: str
    family: str
    model: Model
    readings: Mapping[str, Model]
    objective: Objective
    optimizer: Callable[[int], optax.GradientTransformation]
    objective_name: str = ""
    reading: str = "default"
    num_steps: int = 3_000
    config: Mapping[str, Any] = MappingProxyType({})

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self is other
