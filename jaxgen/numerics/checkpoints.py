"""The steps that a solve records, so that their gradient can be taken in bounded memory."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Saved(NamedTuple):
    """Hold where the accepted steps of a solve began.

    Attributes:
        num: The number of accepted steps, an int32 scalar.
        stride: Every `stride`-th state is kept, an int32 scalar.
        t: The times at which steps began `(max_steps,)`.
        h: The lengths of the steps `(max_steps,)`, negative for a solve backwards in time.
        y: The kept states with their slopes, a pytree with a leading axis of the number of checkpoints.
    """

    num: jax.Array
    stride: jax.Array
    t: jax.Array
    h: jax.Array
    y: Any


def nothing_saved(y0: Any, start: jax.Array, max_steps: int, checkpoints: int) -> Saved:
    """Return an empty record with room for the steps of one solve.

    Args:
        y0: A state, from which shapes and dtypes are read.
        start: The first time, from which the dtype of times is read.
        max_steps: The number of steps whose times and lengths fit.
        checkpoints: The number of states that fit.

    Returns:
        A record without steps.
    """
    times = jnp.zeros(max_steps, start.dtype)
    states = jax.tree.map(lambda y: jnp.zeros((checkpoints, *y.shape), y.dtype), y0)
    return Saved(jnp.zeros((), jnp.int32), jnp.ones((), jnp.int32), times, times, states)


def saved_with(saved: Saved, good: jax.Array, t: jax.Array, h: jax.Array, y: Any, checkpoints: int) -> Saved:
    """Record one step if it was accepted; a full record first drops every other state.

    Args:
        saved: The record so far.
        good: A bool scalar: True if the step was accepted.
        t: The time at which the step began.
        h: The length of the step.
        y: The state at which the step began, with its slope.
        checkpoints: The number of states that fit into the record.

    Returns:
        The new record.
    """
    full = saved.num == checkpoints * saved.stride

    def thinned(a: jax.Array) -> jax.Array:
        return jnp.concatenate([a[::2], jnp.zeros_like(a[::2])])

    states = jax.lax.cond(full, lambda ys: jax.tree.map(thinned, ys), lambda ys: ys, saved.y)
    stride = jnp.where(full, 2 * saved.stride, saved.stride)
    place = jnp.where(good & (saved.num % stride == 0), saved.num // stride, checkpoints)
    states = jax.tree.map(lambda a, b: a.at[place].set(b, mode="drop"), states, y)
    at = jnp.where(good, saved.num, saved.t.shape[0])
    return Saved(saved.num + good, stride, saved.t.at[at].set(t, mode="drop"), saved.h.at[at].set(h, mode="drop"), states)
