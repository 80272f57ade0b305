"""Mixture paths: a site shows its datum or a draw of fixed noise; uniform diffusion and discrete flow matching are both on them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.paths.discrete.cells import drawn, one_hot
from jaxgen.paths.discrete.path import DiscretePath, Reversal, entropy_of_ratios, log_hazard
from jaxgen.paths.discrete.schedule import Schedule, linear


def uniform(num_categories: int, schedule: Schedule | None = None) -> DiscretePath:
    """Return the path of uniform noise: a site shows its datum with probability kappa(t), and one of all categories otherwise.

    Args:
        num_categories: K, the number of categories.
        schedule: kappa; None is `linear()`.

    Raises:
        ValueError: `num_categories` is below 2.

    Source: arXiv 2107.03006, appendix A.1; arXiv 2310.16834, section 3.3.

    >>> from jaxgen import paths
    >>> paths.discrete.uniform(2).marginal(jnp.asarray([1.0, 0.0]), jnp.asarray(0.5)).tolist()
    [0.75, 0.25]
    """
    checks.count("uniform: num_categories", num_categories, 2)
    return mixture(np.full(num_categories, 1 / num_categories), schedule)


def mixture(prior: Sequence[float] | np.ndarray, schedule: Schedule | None = None) -> DiscretePath:
    """Return the mixture path `q(x_t | x) = kappa(t) delta(x) + (1 - kappa(t)) prior`.

    The noising chain resamples a site from the prior at the rate `kappa' / kappa`; its reversal and the rates of discrete flow matching
    have these marginals both.

    Args:
        prior: The probabilities `(K,)` of noise, each above 0; they are normalised.
        schedule: kappa; None is `linear()`.

    Returns:
        A path of K states.

    Raises:
        ValueError: There are fewer than two probabilities, or one is not positive.

    Source: arXiv 2407.15595, equations 9 and 24; arXiv 2310.16834, equation 4.

    >>> from jaxgen import paths
    >>> path = paths.discrete.mixture([0.5, 0.5])
    >>> path.velocity(jnp.asarray([0.25, 0.75]), jnp.asarray(0.0), jnp.asarray(0.5)).tolist()
    [0.0, 0.75]
    """
    weights = np.asarray(prior, np.float64)
    if weights.ndim != 1 or weights.size < 2 or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError(f"mixture: prior={weights.tolist()}; accepted: at least two positive numbers.")
    weights = weights / weights.sum()
    kappa, k = linear() if schedule is None else schedule, weights.size

    def noise(x: jax.Array) -> jax.Array:
        return jnp.asarray(weights, x.dtype).reshape(*(1,) * x.ndim, -1)

    def marginal(p: jax.Array, t: jax.Array) -> jax.Array:
        return kappa.kept(t) * p + kappa.lost(t) * noise(p[..., 0])

    def state(x: jax.Array, u: jax.Array, t: jax.Array) -> jax.Array:
        kept, lost = kappa.kept(t), kappa.lost(t)
        # What is left of u below the threshold is uniform again.
        again = jnp.clip((u - kept) / jnp.maximum(lost, jnp.finfo(u.dtype).tiny), 0, 1)
        return jnp.where(u < kept, x, drawn(jnp.broadcast_to(noise(x), (*x.shape, k)), again))

    def weighed(p: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        """`p(x) / q(x_t | x)` of each datum x."""
        return p / jnp.maximum(marginal_of(x_t, t), jnp.finfo(p.dtype).tiny)

    def marginal_of(x_t: jax.Array, t: jax.Array) -> jax.Array:
        hot = one_hot(x_t, k)
        return kappa.kept(t) * hot + kappa.lost(t) * jnp.sum(hot * noise(x_t), -1, keepdims=True)

    def noising(x: jax.Array, x_s: jax.Array, s: jax.Array, t: jax.Array) -> jax.Array:
        keeps = kappa.kept(t) / kappa.kept(s)
        return keeps * one_hot(x_s, k) + (1 - keeps) * noise(x_s)

    def posterior(p: jax.Array, x_t: jax.Array, t: jax.Array, s: jax.Array) -> jax.Array:
        hot, keeps, w = one_hot(x_t, k), kappa.kept(t) / kappa.kept(s), weighed(p, x_t, t)
        likelihood = keeps * hot + (1 - keeps) * jnp.sum(hot * noise(x_t), -1, keepdims=True)
        return likelihood * (kappa.kept(s) * w + kappa.lost(s) * noise(x_t) * jnp.sum(w, -1, keepdims=True))

    def ratios(p: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        w = weighed(p, x_t, t)
        return kappa.kept(t) * w + kappa.lost(t) * noise(x_t) * jnp.sum(w, -1, keepdims=True)

    def probabilities(ratios: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        w = (ratios - kappa.lost(t) * noise(x_t) * jnp.sum(ratios, -1, keepdims=True)) / jnp.maximum(kappa.kept(t), jnp.finfo(t.dtype).eps)
        return w * marginal_of(x_t, t)

    def rate(x_t: jax.Array, t: jax.Array) -> jax.Array:
        hot = one_hot(x_t, k)
        return kappa.renewal(t) * (1 - hot) * jnp.sum(hot * noise(x_t), -1, keepdims=True)

    def bound(p: jax.Array, x: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        true = ratios(one_hot(x, k), x_t, t)
        return jnp.sum(rate(x_t, t) * entropy_of_ratios(ratios(p, x_t, t), true), -1)

    def velocity(p: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        return p * (1 - one_hot(x_t, k))

    return DiscretePath(
        k,
        k,
        None,
        kappa,
        weights,
        marginal,
        state,
        lambda p, x_t: p,
        velocity,
        lambda t, s: log_hazard(kappa, t, s),
        Reversal(noising, posterior, ratios, probabilities, rate, bound),
    )
