"""Training on all questions at once: in each row some coordinates are given and some asked for, and missing values are neither."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.objective import Batch, Clock, Objective, PairingError, drawn
from jaxgen.roles import Roles, coded
from jaxgen.types import Aux, Key, Params

DrawRoles: TypeAlias = Callable[[Key, int, int], tuple[jax.Array, jax.Array]]
"""`(key, num_rows, num_columns) -> (given, asked)`, booleans `(num_rows, num_columns)`."""

HIDDEN = 0.25
"""The fraction of rows in which columns are hidden that are not missing, so that marginal densities are trained too."""


def uniform_roles(key: Key, num_rows: int, num_columns: int) -> tuple[jax.Array, jax.Array]:
    """Draw which columns are given and which are asked for, whatever a row holds.

    The number of given columns is uniform on 0, ..., d - 1, and which ones they are is uniform too. In a quarter of the rows a number of the
    others, uniform as well but not all of them, is hidden. All that remain are asked for, at least one.

    Args:
        key: A random key.
        num_rows: The number of rows.
        num_columns: The number d of columns.

    Returns:
        Whether each column is given, and whether it is asked for, both `(num_rows, num_columns)`.

    >>> import jax
    >>> given, asked = uniform_roles(jax.random.key(0), 1_000, 3)
    >>> bool((given & asked).any()), bool(asked.any(1).all()), given.sum(1).max().item()
    (False, True, 2)
    """
    key_order, key_given, key_some, key_hidden = jax.random.split(key, 4)
    place = jnp.argsort(jax.random.uniform(key_order, (num_rows, num_columns)), 1)
    num_given = jax.random.randint(key_given, (num_rows, 1), 0, num_columns)
    some = jax.random.bernoulli(key_some, HIDDEN, (num_rows, 1))
    num_hidden = jnp.where(some, jax.random.randint(key_hidden, (num_rows, 1), 0, num_columns - num_given), 0)
    return place < num_given, (place >= num_given) & (place < num_columns - num_hidden)


def any_subset(objective: Objective, widths: Sequence[int] | None = None, roles: DrawRoles = uniform_roles) -> Objective:
    """Train a model whose condition says which coordinates are given and which are asked for, on roles that are drawn for each row.

    The events may have missing values, as NaN: a missing value is never given and never asked for, so that no stand-in for it is ever
    learnt. `objective` sees events whose coordinates are 0 unless they are asked for, under the condition `jaxgen.roles.coded`. With a
    likelihood the loss is the negative log density of the coordinates that are asked for. With a regression on a path, such as
    `flow_matching`, what is added for the other coordinates does not depend on the params.

    Args:
        objective: The objective of a model of vectors `(d,)` that is told the roles, such as `autoregressive_columns(roles=True)` or an ODE
            flow of `paths.of_asked`.
        widths: How many coordinates each column has, which are given or asked for together; None for one each.
        roles: `(key, num_rows, num_columns) -> (given, asked)`, how roles are drawn.

    Returns:
        `objective` with another loss, which takes no conditions but those.

    Raises:
        PairingError: `objective` prepares batches on the host, where missing values would be paired.
        ValueError: At the loss, `widths` does not add up to the coordinates, or the batch has conditions.

    Source: arXiv 1806.02382; arXiv 2404.09636 for diffusion.

    >>> import jax, jax.numpy as jnp, jaxgen
    >>> from jaxgen.objective import Batch, Clock, Objective, no_aux
    >>> reader = Objective(no_aux, lambda params, aux, key, batch, clock: (jnp.sum(batch.cond[:, 3:]), {}))
    >>> batch = Batch(jnp.asarray([[1.0, jnp.nan, 2.0]] * 50))
    >>> loss, _ = any_subset(reader).loss((), (), jax.random.key(0), batch, Clock(0, 1, ()))
    >>> bool(loss <= 2 * 50)  # Of three coordinates the missing one has no role.
    True
    """
    if objective.prepare is not None:
        raise PairingError("any_subset: objective=one that pairs noise with events on the host; accepted: coupling='independent'.")
    sizes = None if widths is None else tuple(widths)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        d = batch.x.shape[-1]
        if batch.cond is not None:
            raise ValueError(
                f"any_subset: batch.cond of shape {batch.cond.shape}; accepted: None, as columns of the event can be given instead."
            )
        column = np.arange(d) if sizes is None else np.repeat(np.arange(len(sizes)), sizes)
        if batch.x.ndim != 2 or len(column) != d:
            raise ValueError(f"any_subset: widths={sizes!r} with events {batch.x.shape[1:]}; accepted: widths that add up to d of (d,).")
        key_roles, key_loss = jax.random.split(key)
        given, asked = drawn(batch, lambda num: roles(key_roles, num, int(column[-1]) + 1))
        known = ~jnp.isnan(batch.x)
        given, asked = given[:, column] & known, asked[:, column] & known
        cond = coded(Roles(jnp.where(given, batch.x, 0), given, asked))
        told = batch._replace(x=jnp.where(asked, batch.x, 0), cond=cond)
        return objective.loss(params, aux, key_loss, told, clock)

    return objective._replace(loss=loss, gaps=True)
