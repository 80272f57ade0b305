"""Everything that a training step reads and changes."""

from typing import NamedTuple

import jax
import optax

from jaxgen.types import Aux, Params


class State(NamedTuple):
    """Hold everything that a training step reads and changes.

    Attributes:
        step: The number of steps done, an int32 scalar.
        params: The model's params.
        aux: The objective's auxiliaries.
        opt_state: The optimiser's state.
        ema: The exponential moving average of the params.
    """

    step: jax.Array
    params: Params
    aux: Aux
    opt_state: optax.OptState
    ema: Params
