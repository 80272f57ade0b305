"""Metric-induced paths: noise becomes the datum through its neighbours, which suits ordered categories."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.paths.discrete.cells import drawn, one_hot
from jaxgen.paths.discrete.path import DiscretePath


def metric(num_categories: int, distance: ArrayLike | None = None, *, scale: float = 3.0, power: float = 1.0) -> DiscretePath:
    """Return the path `q(x_t | x) = softmax(-beta(t) distance(., x))` with `beta = scale (t / (1 - t))^power`.

    It starts uniform and ends at the datum. Its rates are the kinetic-optimal ones, which only move towards the datum. Each rate
    costs K^2 operations a site, and a rate of a mixture path costs K.

    Args:
        num_categories: K, the number of categories.
        distance: The distances `(K, K)` of categories, 0 on the diagonal and positive elsewhere; None is `|i - j| / (K - 1)` times 4, for
            ordered categories.
        scale: The factor of beta, above 0.
        power: The exponent of beta, above 0.

    Returns:
        A path of K states without a reversal, because it is not the path of one noising chain: its samplers have no density.

    Raises:
        ValueError: A number is out of its range, or `distance` is no such matrix.

    Source: arXiv 2412.03487, equations 14, 15 and 18.

    >>> from jaxgen import paths
    >>> path = paths.discrete.metric(3)
    >>> path.marginal(jnp.asarray([1.0, 0.0, 0.0]), jnp.asarray(0.0)).round(3).tolist()
    [0.333, 0.333, 0.333]
    """
    checks.count("metric: num_categories", num_categories, 2)
    checks.number("metric: scale", scale, above=0)
    checks.number("metric: power", power, above=0)
    k = num_categories
    places = np.arange(k)
    table = 4 * abs(places[:, None] - places) / (k - 1) if distance is None else np.asarray(distance, np.float64)
    if table.shape != (k, k) or not (np.isfinite(table).all() and (np.diag(table) == 0).all() and (table + np.eye(k) > 0).all()):
        raise ValueError(
            f"metric: distance of shape {table.shape}; accepted: ({k}, {k}), finite, 0 on the diagonal and positive elsewhere."
        )

    def beta(t: jax.Array) -> jax.Array:
        return scale * (t / jnp.maximum(1 - t, jnp.finfo(t.dtype).eps)) ** power

    def near(t: jax.Array) -> jax.Array:
        """`q(x_t = y | x)` in row x and column y."""
        return jax.nn.softmax(-beta(t) * jnp.asarray(table, t.dtype).T, -1)

    def marginal(p: jax.Array, t: jax.Array) -> jax.Array:
        return p @ near(t)

    def velocity(p: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        far = jnp.asarray(table, p.dtype)
        here = one_hot(x_t, k) @ far
        closer = jnp.maximum(here[..., None, :] - far.reshape(*(1,) * x_t.ndim, k, k), 0)
        return jnp.einsum("...x,xy,...yx->...y", p, near(t), closer)

    return DiscretePath(
        k,
        k,
        None,
        None,
        np.full(k, 1 / k),
        marginal,
        lambda x, u, t: drawn(marginal(one_hot(x, k), t), u),
        lambda p, x_t: p,
        velocity,
        lambda t, s: beta(s) - beta(t),
        None,
    )
