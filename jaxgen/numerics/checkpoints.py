"""What a solve keeps of the steps it took, so that their gradient can be taken in bounded memory."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Saved(NamedTuple):
    """Where the accepted steps began: all times and lengths, and every `stride`-th state with its slope."""

    num: jax.Array
    stride: jax.Array
    t: jax.Array
    h: jax.Array
    y: Any


def nothing_saved(y0: Any, start: jax.Array, max_steps: int, checkpoints: int) -> Saved:
    """Room for the times and lengths of `max_steps` steps, and for `checkpoints` states like `y0`."""
    times = jnp.zeros(max_steps, start.dtype)
    states = jax.tree.map(lambda y: jnp.zeros((checkpoints, *y.shape), y.dtype), y0)
    return Saved(jnp.zeros((), jnp.int32), jnp.ones((), jnp.int32), times, times, states)


def saved_with(saved: Saved, good: jax.Array, t: jax.Array, h: jax.Array, y: Any, checkpoints: int) -> Saved:
    """`saved` with this step where it is `good`; full, every other state makes room."""
    full = saved.num == checkpoints * saved.stride

    def thinned(a: jax.Array) -> jax.Array:
        return jnp.concatenate([a[::2], jnp.zeros_like(a[::2])])

    states = jax.lax.cond(full, lambda ys: jax.tree.map(thinned, ys), lambda ys: ys, saved.y)
    stride = jnp.where(full, 2 * saved.stride, saved.stride)
    place = jnp.where(good & (saved.num % stride == 0), saved.num // stride, checkpoints)
    states = jax.tree.map(lambda a, b: a.at[place].set(b, mode="drop"), states, y)
    at = jnp.where(good, saved.num, saved.t.shape[0])
    return Saved(saved.num + good, stride, saved.t.at[at].set(t, mode="drop"), saved.h.at[at].set(h, mode="drop"), states)
