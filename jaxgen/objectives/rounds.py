"""Learning in rounds: equal shares of the fit, the first on data, each further one on pairs that the params of the round before made."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.objective import Batch, Clock


def round_at(clock: Clock, rounds: int) -> jax.Array:
    """Which of `rounds` equal shares of the fit the clock is in, from 0; the last where the fit has ended."""
    return jnp.minimum(clock.step * rounds // clock.num_steps, rounds - 1)


def average_at_the_end_of(rounds: int) -> Callable[..., Any] | None:
    """The `Objective.update` that sets aux["teacher"] to the moving average of the params at the end of each round; None for one round."""

    def update(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> Any:
        ends = round_at(clock._replace(step=clock.step + 1), rounds) > round_at(clock, rounds)
        return {"teacher": jax.tree.map(lambda new, old: jnp.where(ends, new, old), clock.ema, aux["teacher"])}

    return update if rounds > 1 else None


def pairs_of_round(
    clock: Clock, rounds: int, batch: Batch, times_per_pair: int, from_data: Callable[[], Any], from_teacher: Callable[..., Any]
) -> tuple[Any, Any]:
    """What the loss compares in the clock's round, a pytree of `(n, ...)`, and the conditions `(n, *cond)` that belong to it.

    from_data: `() -> pairs (n, ...)`, for the first round.  from_teacher: `(x (m, *event), cond) -> pairs (m, ...)`, for the others, of the
    first `m = n / times_per_pair` rows of the batch, rounded up; each of its pairs is repeated `times_per_pair` times.
    """
    if rounds == 1:
        return from_data(), batch.cond
    num = batch.x.shape[0]
    num_pairs = -(-num // times_per_pair)

    def repeated(a: jax.Array) -> jax.Array:
        return jnp.tile(a, (times_per_pair, *(1,) * (a.ndim - 1)))[:num]

    x, cond = jax.tree.map(lambda a: a[:num_pairs], (batch.x, batch.cond))
    first = round_at(clock, rounds) == 0
    pairs = jax.lax.cond(first, from_data, lambda: jax.tree.map(repeated, from_teacher(x, cond)))
    return pairs, jax.tree.map(lambda whole, head: jnp.where(first, whole, repeated(head)), batch.cond, cond)
