"""The end of a training that stops early: from the best params on, the learning rate falls to zero, as it does at the end of a whole one."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgen.types import Params, PyTree

NEVER = np.iinfo(np.int32).max
SHARE = 0.5
"""The steps of the cooling, as a share of the steps that led to the best params."""
FIRST = 0.3
"""What is left of the learning rate when the cooling begins: the best params are an average, which a full step would leave at once."""
FEWEST = 10
NUM_LOOKS = 5
"""How often the validation loss is taken while the learning rate falls."""


class Cooling(NamedTuple):
    """Say when the learning rate of an optimiser falls to zero, as a part of its state.

    Attributes:
        count: The number of steps done.
        start: The step at which the fall begins; `NEVER` until a fit asks for it.
        length: The number of steps of the fall.
    """

    count: jax.Array
    start: jax.Array
    length: jax.Array


def cooling() -> optax.GradientTransformation:
    """Build the transformation that leaves updates as they are until a fit begins to cool, and then scales them from 0.3 linearly to zero.

    >>> transformation = cooling()
    >>> state = begun(transformation.init(jnp.zeros(1)), 0, 4)
    >>> [round(float(transformation.update(jnp.ones(1), state._replace(count=jnp.int32(n)))[0][0]), 2) for n in (0, 2, 4)]
    [0.3, 0.15, 0.0]
    """

    def init(params: PyTree) -> Cooling:
        return Cooling(jnp.zeros((), jnp.int32), jnp.asarray(NEVER, jnp.int32), jnp.ones((), jnp.int32))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Cooling]:
        fallen = (state.count - state.start) / state.length
        share = jnp.where(state.count < state.start, 1.0, FIRST * jnp.clip(1 - fallen, 0, 1))
        return jax.tree.map(lambda u: u * share.astype(u.dtype), updates), state._replace(count=state.count + 1)

    return optax.GradientTransformation(init, update)


def found(opt_state: PyTree) -> Cooling | None:
    """Return the part of an optimiser's state that says when it cools; None for an optimiser that cannot."""
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda part: isinstance(part, Cooling))
    return next((part for part in leaves if isinstance(part, Cooling)), None)


def end_of(opt_state: PyTree) -> int | None:
    """Return the step after which the learning rate is zero; None for an optimiser that does not cool."""
    part = found(opt_state)
    return None if part is None or int(part.start) == NEVER else int(part.start) + int(part.length)


def begun(opt_state: PyTree, start: int, length: int) -> PyTree:
    """Return an optimiser's state that begins to cool.

    Args:
        opt_state: The state.
        start: The step at which the learning rate begins to fall.
        length: The number of steps of the fall.
    """

    def change(part: PyTree) -> PyTree:
        if not isinstance(part, Cooling):
            return part
        return part._replace(start=_like(start, part.start), length=_like(length, part.length))

    return jax.tree.map(change, opt_state, is_leaf=lambda part: isinstance(part, Cooling))


def length_for(best: int, done: int, num_steps: int) -> int:
    """Return how many steps a training cools.

    Args:
        best: The step of the best params.
        done: The number of steps done.
        num_steps: The number of steps of the whole training, which is not exceeded.

    >>> length_for(100, 260, 3_000), length_for(100, 260, 280)
    (50, 20)
    """
    return min(max(FEWEST, round(SHARE * best)), num_steps - done)


def looks_until(end: int, length: int) -> tuple[int, ...]:
    """Return the steps at which the validation loss is taken while a training cools.

    Args:
        end: The step at which the learning rate is zero.
        length: The number of steps of the cooling.

    >>> looks_until(300, 50)
    (260, 270, 280, 290, 300)
    """
    return tuple(sorted({end - length + round(length * (k + 1) / NUM_LOOKS) for k in range(NUM_LOOKS)} - {end - length}))


def placed_like(params: Params, like: Params) -> Params:
    """Return copies of params on the devices on which others lie; a training step gives the memory of its state away.

    Args:
        params: The params.
        like: Arrays of the same structure, whose dtypes and shardings are taken.
    """
    return jax.tree.map(lambda a, b: jnp.copy(jax.device_put(jnp.asarray(a, b.dtype), b.sharding)), params, like)


def _like(value: int, old: jax.Array) -> jax.Array:
    return jax.device_put(jnp.asarray(value, jnp.int32), old.sharding)
