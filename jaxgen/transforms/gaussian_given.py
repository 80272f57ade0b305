"""Conditionals of a mixture of Gaussians in closed form: what some coordinates are, given others, from the params of the whole."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.numerics.small_matrices import cholesky, solve_lower
from jaxgen.roles import Roles, roles_of
from jaxgen.transform import Density, Init, Maps, Preimage, Questions, Transform
from jaxgen.types import Cond, Event, Key, Noise, Params

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


class Groups(NamedTuple):
    """Hold k groups of m components that share a covariance: log weights `(k, m)`, means `(k, m, d)` and roots L `(k, d, d)` of `L L^T`."""

    log_weights: jax.Array
    loc: jax.Array
    root: jax.Array


def questions_of_gaussians(init: Init, groups: Callable[[Params], Sequence[Groups]]) -> Questions:
    """Return the questions that a mixture of Gaussians answers, which are all.

    Args:
        init: The `init` of the mixture's transform, whose noise is `{"choice": (), "noise": (d,)}`.
        groups: The components, from its params.
    """
    f = _conditional(init, groups)
    return Questions(through=lambda given, asked: f)


def _conditional(init: Init, groups: Callable[[Params], Sequence[Groups]]) -> Transform:
    """Return the transform whose condition is a row with NaN where nothing is given; NaN in an event is a coordinate that is integrated out."""

    def conditionals(params: Params, roles: Roles) -> tuple[list[Groups], jax.Array]:
        """The components of the coordinates that are asked for, and their log weights in one row."""
        each = [jax.vmap(lambda *group: _given(Groups(*group), roles))(*some) for some in groups(params)]
        return each, jax.nn.log_softmax(jnp.concatenate([some.log_weights.ravel() for some in each]))

    def rows(function: Callable[[Groups], jax.Array], each: list[Groups]) -> jax.Array:
        """The rows `(m, d)` that a function makes of each group, all below each other."""
        made = [jax.vmap(lambda *group: function(Groups(*group)))(*some) for some in each]
        return jnp.concatenate([part.reshape(-1, part.shape[-1]) for part in made])

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        roles = roles_of(cond, z["noise"])
        each, log_weights = conditionals(params, roles)
        upper = jnp.cumsum(jnp.exp(log_weights))
        # Rounding may leave the last bound below the largest uniform number.
        k = jnp.minimum(jnp.searchsorted(upper, z["choice"], side="right"), len(upper) - 1)
        return jnp.where(roles.given, roles.values, rows(lambda group: group.loc + group.root @ z["noise"], each)[k])

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        roles = roles_of(cond, x)
        each, log_weights = conditionals(params, roles)
        z = rows(lambda group: _solved(group.root, jnp.where(roles.asked, x - group.loc, 0)), each)
        scale = log_weights - rows(lambda group: jnp.broadcast_to(_log_det(group.root), (len(group.loc), 1)), each)[:, 0]
        logs = scale - 0.5 * jnp.sum(z**2, -1)
        best = jnp.argmax(logs)
        middle = jnp.cumsum(jnp.exp(log_weights))[best] - 0.5 * jnp.exp(log_weights[best])
        choice = jnp.clip(middle, 0, 1 - jnp.finfo(x.dtype).eps)
        # The base counts the noise of every coordinate, at zero that of those that nobody asks for.
        forgotten = HALF_LOG_2_PI * jnp.sum(~roles.asked).astype(x.dtype)
        return Preimage({"choice": choice, "noise": z[best]}, scale[best] + jax.nn.logsumexp(logs - logs[best]) + forgotten)

    return Transform(init, Maps(forward, inverse), Density.EXACT)


def _given(group: Groups, roles: Roles) -> Groups:
    """Return one group given some coordinates: weights times their densities, regressions for means, and what the regression leaves.

    Coordinates that are not asked for have unit variances, apart from all others.
    """
    _, given, asked = roles
    covariance, unit = group.root @ group.root.T, jnp.eye(group.root.shape[0], dtype=group.root.dtype)
    seen = cholesky(jnp.where(given[:, None] & given, covariance, unit))
    z = _solved(seen, jnp.where(given, roles.values - group.loc, 0))
    slope = solve_lower(seen, jnp.where(given[:, None] & asked, covariance, 0))
    left = jnp.where(asked[:, None] & asked, covariance - slope.T @ slope, unit)
    return Groups(group.log_weights - 0.5 * jnp.sum(z**2, -1) - _log_det(seen), group.loc + z @ slope, cholesky(left))


def _solved(root: jax.Array, rows: jax.Array) -> jax.Array:
    return solve_lower(root, rows.T).T


def _log_det(root: jax.Array) -> jax.Array:
    return jnp.sum(jnp.log(jnp.diagonal(root)))
