"""The validation loss of a fit, as a compiled function of the params and auxiliaries."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.objective import Batch, Clock
from jaxgen.training.entry import Entry
from jaxgen.types import Aux, Params

MAX_SLICE = 1_000
"""How many events are evaluated at once: more would need memory in proportion."""


def validation_loss(entry: Entry, data: Batch, num_steps: int) -> Callable[[Params, Aux], jax.Array]:
    """Return the objective's loss on held-out data as a compiled function of params and aux.

    The data are cut into the fewest equal slices of at most 1,000 events, whose losses are averaged; a remainder of fewer events than there
    are slices is left out.
    The key is always the same, so that two validation losses differ by the params alone, and the clock stands at the end of training.

    Args:
        entry: The entry whose objective's loss is taken.
        data: Held-out events `(n, *event)` and their conditions `(n, *cond)` or None.
        num_steps: The number of steps of the whole training, at which the loss's clock stands.

    Returns:
        `(params, aux) -> loss`, a scalar.
    """
    num = -(-data.x.shape[0] // MAX_SLICE)
    size = data.x.shape[0] // num
    slices = jax.tree.map(lambda a: a[: num * size].reshape(num, size, *a.shape[1:]), data)
    keys = jax.random.split(jax.random.key(0), num)

    @jax.jit
    def loss(params: Params, aux: Aux) -> jax.Array:
        end = jnp.asarray(num_steps, jnp.int32)
        clock = Clock(end, end, params)
        return jnp.mean(jax.lax.map(lambda keyed: entry.objective.loss(params, aux, keyed[0], keyed[1], clock)[0], (keys, slices)))

    return loss
