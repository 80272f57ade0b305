"""Oracles that are flows of ODEs: a linear ODE, and the velocity that carries Gaussian noise to a mixture."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.special

from jaxgen.evaluation.oracles.common import Case, Truth, f32, log_normal
from jaxgen.types import Cond, Params

COMPONENTS = 3


def linear_velocity(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
    """Return `matrix x + drift`.

    Args:
        params: `matrix` `(d, d)` and `drift` `(d,)`.
        x: A state `(d,)`.
        t: A time, which is not read.
        cond: No condition is read.

    Returns:
        The velocity `(d,)`.
    """
    return params["matrix"] @ x + params["drift"]


def linear(dim: int) -> Case:
    """Return the case of a linear ODE, whose flow is a matrix exponential."""

    def make(rng: np.random.Generator, num: int) -> tuple[Params, np.ndarray, Truth]:
        params = {"matrix": f32(0.8 * rng.standard_normal((dim, dim)) / np.sqrt(dim)), "drift": f32(rng.standard_normal(dim))}
        augmented = np.zeros((dim + 1, dim + 1))
        augmented[:dim, :dim], augmented[:dim, dim] = params["matrix"], params["drift"]
        flow = np.asarray(scipy.linalg.expm(augmented))
        scale, shift = flow[:dim, :dim], flow[:dim, dim]
        x = shift + 1.3 * rng.standard_normal((num, dim)) @ scale.T

        def truth(x: np.ndarray) -> np.ndarray:
            return log_normal(np.linalg.solve(scale, (x - shift).T).T) - float(np.trace(params["matrix"].astype(np.float64)))

        return params, x, truth

    return make


def mixture_velocity(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
    """Return the velocity of `x_t = t x + (1 - t) z` for x from a mixture, which carries N(0, I) to the mixture.

    Args:
        params: `logit` and `log_sd` `(K,)`, and `mean` `(K, d)`.
        x: A state `(d,)`.
        t: A time in [0, 1].
        cond: No condition is read.

    Returns:
        The velocity `(d,)`.

    Source: arXiv 2210.02747, equations 8 and 15.
    """
    var = jnp.exp(2 * params["log_sd"])
    total, away = t * t * var + (1 - t) ** 2, x - t * params["mean"]
    logits = params["logit"] - 0.5 * jnp.sum(away**2, -1) / total - 0.5 * x.shape[0] * jnp.log(total)
    each = params["mean"] + ((t * var - (1 - t)) / total)[:, None] * away
    return jax.nn.softmax(logits) @ each


def mixture(rng: np.random.Generator, num: int) -> tuple[Params, np.ndarray, Truth]:
    """Draw a mixture of three Gaussians in the plane, to which its own velocity carries the noise.

    Args:
        rng: A NumPy generator.
        num: The number of events.

    Returns:
        The params, the events `(num, d)` and the function of float64 events that gives the truth.
    """
    mean, log_sd = f32(rng.uniform(-2, 2, (COMPONENTS, 2))), f32(np.log(rng.uniform(0.4, 0.8, COMPONENTS)))
    params = {"logit": f32(0.5 * rng.standard_normal(COMPONENTS)), "mean": mean, "log_sd": log_sd}
    owner = rng.integers(COMPONENTS, size=num)
    x = mean[owner] + np.exp(log_sd[owner])[:, None] * rng.standard_normal((num, 2))

    def truth(x: np.ndarray) -> np.ndarray:
        weight, sd = scipy.special.log_softmax(params["logit"].astype(np.float64)), log_sd.astype(np.float64)
        each = log_normal((x[:, None] - mean.astype(np.float64)) / np.exp(sd)[:, None]) - 2 * sd
        return np.asarray(scipy.special.logsumexp(weight + each, 1))

    return params, x, truth
