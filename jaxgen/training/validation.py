"""The validation loss of a fit, as a compiled function of the params and auxiliaries."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr

from jaxgen.compiled import traced_once
from jaxgen.objective import Batch, Clock, Objective
from jaxgen.training.entry import Entry
from jaxgen.training.sharding import StateSharding
from jaxgen.types import Aux, Key, Params

MAX_SLICE = 1_000
"""How many events are evaluated at once: more would need memory in proportion."""
FEWEST_DRAWS = 1_000
"""A loss that is random is averaged over at least so many draws: a mean over the noise of a dozen events would rank params by their luck."""


class Validator(NamedTuple):
    """Hold the validation loss of a fit.

    Attributes:
        loss: `(params, aux) -> loss`, a scalar.
        num_events: The number of events and draws that one loss evaluates.
    """

    loss: Callable[[Params, Aux], jax.Array]
    num_events: int


def validator(entry: Entry, data: Batch, num_steps: int, like: tuple[Params, Aux], sharding: StateSharding | None = None) -> Validator:
    """Return the loss on held-out data, or the objective's `judge` if it has one, as a compiled function of params and aux.

    The data are cut into the fewest equal slices of at most 1,000 events, whose losses are averaged; a remainder of fewer events than there
    are slices is left out. If the loss is random and the events are few, each of them is evaluated with several draws.
    The keys are always the same, so that two validation losses differ by the params alone, and the clock stands at the end of training.

    Args:
        entry: The entry whose objective's loss is taken.
        data: Held-out events `(n, *event)` and their conditions `(n, *cond)` or None.
        num_steps: The number of steps of the whole training, at which the loss's clock stands.
        like: Params and auxiliaries, with which the loss is compiled.
        sharding: How params and auxiliaries lie on a mesh, over which the events of a slice are split; None without a mesh.

    Returns:
        The compiled loss and what it costs.
    """
    num = -(-data.x.shape[0] // MAX_SLICE)
    size = data.x.shape[0] // num
    slices = _prepared(entry.objective, jax.tree.map(lambda a: a[: num * size].reshape(num, size, *a.shape[1:]), data))
    # A layout of arrays cannot be hashed, and such a fit compiles its own loss.
    of_slice, over_slices = (_programs if sharding is None else _programs.__wrapped__)(entry, num_steps, sharding)
    # Traced to see whether the loss reads its key.
    traced = jax.make_jaxpr(of_slice)(*like, jax.random.key(0), jax.tree.map(lambda a: a[0], slices))
    copies = math.ceil(FEWEST_DRAWS / (num * size)) if _reads(traced, len(jax.tree.leaves(like))) else 1
    keys = jax.random.split(jax.random.key(0), copies * num).reshape(copies, num)
    # Compiled now, so that neither the pace nor the seconds of training count it.
    jax.block_until_ready(over_slices(*like, keys, slices))
    return Validator(lambda params, aux: over_slices(params, aux, keys, slices), copies * num * size)


@functools.lru_cache(maxsize=8)
def _programs(entry: Entry, num_steps: int, sharding: StateSharding | None) -> tuple[Callable[..., jax.Array], Callable[..., jax.Array]]:
    """Return the loss of one slice, and the compiled mean over slices and keys, which further fits of the entry use again."""
    judge = entry.objective.judge or entry.objective.loss

    @traced_once
    def of_slice(params: Params, aux: Aux, key: Key, batch: Batch) -> jax.Array:
        end = jnp.asarray(num_steps, jnp.int32)
        return judge(params, aux, key, batch, Clock(end, end, params))[0]

    @jax.jit
    def over_slices(params: Params, aux: Aux, keys: Key, slices: Batch) -> jax.Array:
        if sharding is not None:
            (params, aux), slices = sharding.gathered((params, aux)), sharding.rows(slices, 1)

        def one(key: Key, batch: Batch) -> jax.Array:
            return of_slice(params, aux, key, batch)

        return jnp.mean(jax.lax.map(lambda row: jax.lax.map(lambda given: one(*given), (row, slices)), keys))

    return of_slice, over_slices


def _prepared(objective: Objective, slices: Batch) -> Batch:
    """Pair the noise of the slices as the objective pairs that of its batches, unless the loss does not read it at the end of training."""
    if objective.judge is not None or objective.prepare is None or objective.schedule.prepare_until < 1:
        return slices
    host, keys = jax.tree.map(np.asarray, slices), jax.random.split(jax.random.key(1), slices.x.shape[0])
    each = [objective.prepare(key, jax.tree.map(lambda a, i=i: a[i], host)) for i, key in enumerate(keys)]
    return jax.tree.map(lambda *a: jnp.asarray(np.stack(a)), *each)


def _reads(traced: ClosedJaxpr, place: int) -> bool:
    """Return whether an equation of a traced function reads its argument at a place."""
    argument = traced.jaxpr.invars[place]
    return any(variable is argument for equation in traced.jaxpr.eqns for variable in equation.invars)
