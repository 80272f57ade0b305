"""Conditionals of Gaussians and of their mixtures in closed form: what some coordinates are, given others, from the params of the whole."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from jaxgen.transform import Density, Maps, Preimage, Questions, Transform
from jaxgen.types import Cond, Event, Key, Noise, Params

LOG_2_PI = float(np.log(2 * np.pi))


class Gaussians(NamedTuple):
    """Hold the components of a mixture: log weights `(k,)`, means `(k, d)`, and roots L `(k, d, d)` of covariances `L L^T`."""

    log_weights: jax.Array
    loc: jax.Array
    root: jax.Array


def questions_of_gaussians(init: Callable[..., Params], read: Callable[[Params], Gaussians]) -> Questions:
    """Return the questions that a mixture of Gaussians answers: all of them.

    Args:
        init: The `init` of the mixture's transform, whose noise is `{"choice": (), "noise": (d,)}`.
        read: The components, from its params.
    """
    return Questions(through=lambda given, asked: _conditional(init, read, np.flatnonzero(given), np.flatnonzero(asked)))


def _conditional(init: Callable[..., Params], read: Callable[[Params], Gaussians], given: np.ndarray, asked: np.ndarray) -> Transform:
    """Return the transform of the coordinates that are asked for, whose condition is a row with the given ones."""

    def components(params: Params, cond: Cond) -> Gaussians:
        """The mixture's conditional: weights by the density of what is given, means and roots of the asked coordinates."""
        log_weights, loc, root = read(params)
        covariance = root @ jnp.swapaxes(root, -1, -2)
        if not len(given):
            return Gaussians(log_weights, loc[:, asked], jnp.linalg.cholesky(covariance[..., asked[:, None], asked]))
        assert cond is not None
        away = cond[given] - loc[:, given]
        lower = jnp.linalg.cholesky(covariance[..., given[:, None], given])
        z = solve_triangular(lower, away[..., None], lower=True)[..., 0]
        log_det = jnp.sum(jnp.log(jnp.diagonal(lower, axis1=-2, axis2=-1)), -1)
        log_weights = jax.nn.log_softmax(log_weights - 0.5 * jnp.sum(z**2, -1) - log_det)
        gain = solve_triangular(lower, covariance[..., given[:, None], asked], lower=True)
        rest = covariance[..., asked[:, None], asked] - jnp.swapaxes(gain, -1, -2) @ gain
        return Gaussians(log_weights, loc[:, asked] + jnp.einsum("kga,kg->ka", gain, z), jnp.linalg.cholesky(rest))

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        log_weights, loc, root = components(params, cond)
        upper = jnp.cumsum(jnp.exp(log_weights))
        # Rounding may leave the last bound below the largest uniform number.
        k = jnp.minimum(jnp.searchsorted(upper, z["choice"], side="right"), len(upper) - 1)
        x = loc[k] + root[k] @ z["noise"][: len(asked)]
        row = jnp.zeros_like(z["noise"]) if cond is None else jnp.nan_to_num(jnp.asarray(cond, x.dtype))
        return row.at[asked].set(x)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        log_weights, loc, root = components(params, cond)
        away = x[asked] - loc
        z = solve_triangular(root, away[..., None], lower=True)[..., 0]
        scale = log_weights - jnp.sum(jnp.log(jnp.diagonal(root, axis1=-2, axis2=-1)), -1)
        logs = scale - 0.5 * jnp.sum(z**2, -1)
        best = jnp.argmax(logs)
        middle = jnp.cumsum(jnp.exp(log_weights))[best] - 0.5 * jnp.exp(log_weights[best])
        choice = jnp.clip(middle, 0, 1 - jnp.finfo(x.dtype).eps)
        noise = jnp.zeros_like(x).at[: len(asked)].set(z[best])
        # The base counts the noise of all coordinates, those that nobody asks for at zero.
        forgotten = 0.5 * LOG_2_PI * (x.size - len(asked))
        return Preimage({"choice": choice, "noise": noise}, scale[best] + jax.nn.logsumexp(logs - logs[best]) + forgotten)

    return Transform(init, Maps(forward, inverse), Density.EXACT)
