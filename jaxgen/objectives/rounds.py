"""Fractions of training: a warm-up, and rounds; the first learns from data, each further one from pairs that the one before made."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.objective import Batch, Clock, Init, Loss, Objective, Prepare, Schedule, no_aux
from jaxgen.types import Aux, Cond, Key, Params, PyTree


def progress(clock: Clock, share: float) -> jax.Array:
    """Return how much of the first `share` of training is over.

    Args:
        clock: Where training stands.
        share: The first fraction of training.

    Returns:
        A scalar from 0 to 1; 1 throughout if `share` is 0.

    >>> [float(progress(Clock(step, 100, ()), 0.5)) for step in (0, 25, 80)]
    [0.0, 0.5, 1.0]
    """
    return jnp.clip(clock.step / (share * clock.num_steps), 0, 1) if share else jnp.asarray(1.0)


def round_at(clock: Clock, rounds: int) -> jax.Array:
    """Return the round in which training is.

    Args:
        clock: Where training stands.
        rounds: The number of equal shares of training.

    Returns:
        An integer from 0 to `rounds - 1`; the last one after the end of training.

    >>> [int(round_at(Clock(step, 10, ()), 2)) for step in (0, 4, 5, 10)]
    [0, 0, 1, 1]
    """
    return jnp.minimum(clock.step * rounds // clock.num_steps, rounds - 1)


def in_rounds(loss: Loss, prepare: Prepare | None, rounds: int) -> Objective:
    """Build the objective of a loss that learns in rounds and reads a frozen teacher, `aux["teacher"]`, in every round but the first.

    The teacher is the moving average of the params at the end of the round before. Batches are prepared in the first round only, and
    validation losses count in the last one only.

    Args:
        loss: The loss of all rounds; see `pairs_of_round`.
        prepare: The preparation of the first round's batches, or None.
        rounds: The number of rounds. One round has no teacher and no auxiliaries.

    >>> objective = in_rounds(lambda *a: None, None, 4)
    >>> objective.schedule
    Schedule(prepare_until=0.25, judge_from=0.75)
    """

    def init(key: Key, params: Params, batch: Batch) -> tuple[Params, Aux]:
        return params, {"teacher": jax.tree.map(jnp.copy, params)}

    def update(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> Aux:
        ends = round_at(clock._replace(step=clock.step + 1), rounds) > round_at(clock, rounds)
        return {"teacher": jax.tree.map(lambda new, old: jnp.where(ends, new, old), clock.ema, aux["teacher"])}

    start: Init = init if rounds > 1 else no_aux
    schedule = Schedule(prepare_until=1 / rounds, judge_from=(rounds - 1) / rounds)
    return Objective(start, loss, update if rounds > 1 else None, prepare, schedule=schedule)


def pairs_of_round(
    clock: Clock,
    rounds: int,
    batch: Batch,
    times_per_pair: int,
    from_data: Callable[[], PyTree],
    from_teacher: Callable[[jax.Array, Cond], PyTree],
) -> tuple[PyTree, Cond]:
    """Return the pairs that the loss compares in the clock's round, and the conditions that belong to them.

    Args:
        clock: Where training stands.
        rounds: The number of rounds.
        batch: The batch of n events.
        times_per_pair: How often each of the teacher's pairs is repeated, as each costs a solve.
        from_data: Makes the pairs of the first round, a pytree of `(n, ...)`.
        from_teacher: Makes the pairs of the others, a pytree of `(m, ...)`, given events `(m, *event)` and their conditions: the first
            `m = n / times_per_pair` of the batch, rounded up.

    Returns:
        The pairs, a pytree of `(n, ...)`, and conditions `(n, *cond)` or None.
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
