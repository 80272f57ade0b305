"""The perfect network for data whose joint probabilities stand in a table: every posterior is a sum over all data."""

import jax
import jax.numpy as jnp

from jaxgen.paths.discrete.cells import one_hot
from jaxgen.paths.discrete.path import DiscretePath
from jaxgen.paths.discrete.prediction import DiscretePrediction, from_probabilities
from jaxgen.types import Cond, Params


def tabular(path: DiscretePath) -> DiscretePrediction:
    """Return the network whose params are the logits of all data, a table `(K,) * n` for events of n sites.

    Its x_0 probabilities are exact for the distribution `softmax(params)`, by a sum over its K^n data: a truth for tests, and a model of
    few sites. It reads no condition.

    Args:
        path: The path.

    Returns:
        The prediction on `path`, for events `(n,)`.

    >>> from jaxgen import paths
    >>> truth, t = paths.discrete.tabular(paths.discrete.masked(2)), jnp.asarray(0.5)
    >>> equal = jnp.asarray([[0.0, -jnp.inf], [-jnp.inf, 0.0]])  # both sites are always equal
    >>> truth.probabilities(equal, jnp.asarray([1.0, 2.0]), t).tolist()  # the second one is masked
    [[0.0, 1.0], [0.0, 1.0]]
    """
    k = path.num_categories

    def likelihoods(x: jax.Array, t: jax.Array) -> jax.Array:
        """`q(x_t | x)` of each site and datum `(n, K)`; a mask says nothing, also at t = 1, where there are none."""
        if path.mask is not None:
            return jnp.where((x == path.mask)[:, None], 1, one_hot(x, k))
        return one_hot(x, k) @ path.marginal(jnp.eye(k, dtype=x.dtype), t).T

    def probabilities(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
        n, joint = x.shape[0], jax.nn.softmax(params, None)
        for i, weight in enumerate(likelihoods(x, t)):
            joint = joint * weight.reshape(*(1,) * i, k, *(1,) * (n - 1 - i))
        sites = jnp.stack([jnp.sum(joint, tuple(j for j in range(n) if j != i)) for i in range(n)])
        return path.shown(sites / jnp.sum(joint), x)

    return from_probabilities(path, probabilities)
