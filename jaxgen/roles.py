"""The roles of an event's coordinates in a question: some are given, some are asked for, and the others are not looked at."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.types import Cond


class Roles(NamedTuple):
    """Say what is given and what is asked for; an entry that is neither is hidden. All arrays are `(..., d)`.

    Attributes:
        values: The values of the given coordinates, and 0 for the others.
        given: Whether a coordinate is given.
        asked: Whether a coordinate is asked for.
    """

    values: jax.Array
    given: jax.Array
    asked: jax.Array


def roles_of(known: Cond, x: jax.Array) -> Roles:
    """Return the roles in which every coordinate that is not given is asked for, unless it is missing.

    Args:
        known: A row `(..., d)` with NaN where nothing is given, or None if nothing is given at all.
        x: The event, or noise of its shape `(..., d)`; NaN marks a coordinate that is not asked for.

    Returns:
        The roles.

    >>> nan = jnp.nan
    >>> roles = roles_of(jnp.asarray([7.0, nan, nan]), jnp.asarray([7.0, 0.5, nan]))
    >>> roles.values.tolist(), roles.given.tolist(), roles.asked.tolist()
    ([7.0, 0.0, 0.0], [True, False, False], [False, True, False])
    """
    row = jnp.full_like(x, jnp.nan) if known is None else jnp.asarray(known, x.dtype)
    given = ~jnp.isnan(row)
    return Roles(jnp.where(given, row, 0), given, ~given & ~jnp.isnan(x))


def coded(roles: Roles) -> jax.Array:
    """Return roles as one condition `(..., 3 d)` that a network reads: values, then which are given, then which are asked for."""
    dtype = roles.values.dtype
    return jnp.concatenate([roles.values, roles.given.astype(dtype), roles.asked.astype(dtype)], -1)


def decoded(cond: jax.Array) -> Roles:
    """Return the roles of a condition `(..., 3 d)` that `coded` made."""
    values, given, asked = jnp.split(cond, 3, -1)
    return Roles(values, given > 0, asked > 0)
