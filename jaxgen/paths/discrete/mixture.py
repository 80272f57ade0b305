"""Mixture paths: a site shows its datum or a draw of fixed noise; uniform diffusion and discrete flow matching are both on them."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

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
    of = _Mixture(weights, linear() if schedule is None else schedule, weights.size)
    reversal = Reversal(of.noising, of.posterior, of.ratios, of.probabilities, of.rate, of.bound)
    hazard = functools.partial(log_hazard, of.kappa)
    return DiscretePath(of.num, of.num, None, of.kappa, weights, of.marginal, of.state, lambda p, x_t: p, of.velocity, hazard, reversal)


@dataclass(frozen=True, eq=False)
class _Mixture:
    """The closed forms of a mixture path: `weights` are the prior, `kappa` the schedule and `num` the number of categories."""

    weights: np.ndarray
    kappa: Schedule
    num: int

    def noise(self, x: jax.Array) -> jax.Array:
        return jnp.asarray(self.weights, x.dtype).reshape(*(1,) * x.ndim, -1)

    def marginal(self, p: jax.Array, t: jax.Array) -> jax.Array:
        return self.kappa.kept(t) * p + self.kappa.lost(t) * self.noise(p[..., 0])

    def state(self, x: jax.Array, u: jax.Array, t: jax.Array) -> jax.Array:
        kept, lost = self.kappa.kept(t), self.kappa.lost(t)
        # What is left of u below the threshold is uniform again.
        again = jnp.clip((u - kept) / jnp.maximum(lost, jnp.finfo(u.dtype).tiny), 0, 1)
        return jnp.where(u < kept, x, drawn(jnp.broadcast_to(self.noise(x), (*x.shape, self.num)), again))

    def weighed(self, p: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        """`p(x) / q(x_t | x)` of each datum x."""
        # At t = 1 no state but the datum is possible, where a network's least probabilities must not be divided by zero.
        return p / jnp.maximum(self.marginal_of(x_t, t), jnp.finfo(p.dtype).eps)

    def marginal_of(self, x_t: jax.Array, t: jax.Array) -> jax.Array:
        hot = one_hot(x_t, self.num)
        return self.kappa.kept(t) * hot + self.kappa.lost(t) * jnp.sum(hot * self.noise(x_t), -1, keepdims=True)

    def noising(self, x: jax.Array, x_s: jax.Array, s: jax.Array, t: jax.Array) -> jax.Array:
        keeps = self.kappa.kept(t) / self.kappa.kept(s)
        return keeps * one_hot(x_s, self.num) + (1 - keeps) * self.noise(x_s)

    def posterior(self, p: jax.Array, x_t: jax.Array, t: jax.Array, s: jax.Array) -> jax.Array:
        hot, keeps, w = one_hot(x_t, self.num), self.kappa.kept(t) / self.kappa.kept(s), self.weighed(p, x_t, t)
        likelihood = keeps * hot + (1 - keeps) * jnp.sum(hot * self.noise(x_t), -1, keepdims=True)
        return likelihood * (self.kappa.kept(s) * w + self.kappa.lost(s) * self.noise(x_t) * jnp.sum(w, -1, keepdims=True))

    def ratios(self, p: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        w = self.weighed(p, x_t, t)
        return self.kappa.kept(t) * w + self.kappa.lost(t) * self.noise(x_t) * jnp.sum(w, -1, keepdims=True)

    def probabilities(self, ratios: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        noise = self.kappa.lost(t) * self.noise(x_t) * jnp.sum(ratios, -1, keepdims=True)
        w = (ratios - noise) / jnp.maximum(self.kappa.kept(t), jnp.finfo(t.dtype).eps)
        return w * self.marginal_of(x_t, t)

    def rate(self, x_t: jax.Array, t: jax.Array) -> jax.Array:
        hot = one_hot(x_t, self.num)
        return self.kappa.renewal(t) * (1 - hot) * jnp.sum(hot * self.noise(x_t), -1, keepdims=True)

    def bound(self, p: jax.Array, x: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        true = self.ratios(one_hot(x, self.num), x_t, t)
        return jnp.sum(self.rate(x_t, t) * entropy_of_ratios(self.ratios(p, x_t, t), true), -1)

    def velocity(self, p: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        return p * (1 - one_hot(x_t, self.num))
