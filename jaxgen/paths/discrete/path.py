"""What a corruption process of one site is: its marginals, the rates that lead from noise to data, and its reversal in time."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.paths.discrete.cells import safe_log
from jaxgen.paths.discrete.schedule import Schedule


class Reversal(NamedTuple):
    """Hold the closed forms of a noising chain that runs from data to noise, and of its reversal; t is the noisier of two times t < s.

    What depends on the datum x is averaged over probabilities `p` `(..., K)` of x given the state, so a network's x_0 probabilities go in.

    Attributes:
        noising: `(x, x_s, s, t) -> (..., S)`, the probabilities `q(x_t | x_s, x)`.
        posterior: `(p, x_t, t, s) -> (..., S)`, the probabilities `sum_x p(x) q(x_s | x_t, x)`.
        ratios: `(p, x_t, t) -> (..., S)`, the concrete score `p_t(y) / p_t(x_t)` of each state y, 1 at x_t itself and 0 where `rate` is 0.
        probabilities: `(ratios, x_t, t) -> (..., K)`, which undoes `ratios`.
        rate: `(x_t, t) -> (..., S)`, the rate at which noising leads from each state y to x_t, 0 at x_t itself. Times `ratios` it is the
            rate of the reversal from x_t to y.
        bound: `(p, x, x_t, t) -> (...)`, the integrand of the continuous-time bound: its expectation over x_t and a uniform t bounds
            `-log p(x)` of a site.
    """

    noising: Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]
    posterior: Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]
    ratios: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
    probabilities: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
    rate: Callable[[jax.Array, jax.Array], jax.Array]
    bound: Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]


class DiscretePath(NamedTuple):
    """Describe the corruption of one site, from noise at t = 0 to a datum at t = 1.

    Attributes:
        num_categories: K, the number of categories of a datum.
        num_states: S, the number of states of a site: K, or K + 1 with the mask.
        mask: The code of the mask, K, or None for a path without a mask.
        schedule: The schedule; None for a path that has none, such as `metric`.
        prior: The probabilities `(S,)` of a site at t = 0.
        marginal: `(p (..., K), t) -> (..., S)`, the probabilities `sum_x p(x) q(x_t | x)`.
        state: `(x (...), u (...), t) -> (...)`, a draw of x_t given data x, by uniform numbers u.
        shown: `(p (..., K), x_t (...)) -> (..., K)`, the probabilities after what a state says of its own datum: one that is not masked
            on a masked path is the datum.
        velocity: `(p (..., K), x_t (...), t) -> (..., S)`, the rates of jumps from x_t to each state that generate the path, per unit of
            `hazard`, and 0 at x_t itself.
        hazard: `(t, s) -> scalar`, the integral from t to s of the factor of `velocity`; infinite at s = 1.
        reversal: The reversal of the noising chain; None for a path that is not the path of one.
    """

    num_categories: int
    num_states: int
    mask: int | None
    schedule: Schedule | None
    prior: np.ndarray
    marginal: Callable[[jax.Array, jax.Array], jax.Array]
    state: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
    shown: Callable[[jax.Array, jax.Array], jax.Array]
    velocity: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
    hazard: Callable[[jax.Array, jax.Array], jax.Array]
    reversal: Reversal | None

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def prior_at(self, like: jax.Array) -> jax.Array:
        """Return the probabilities of sites `(..., S)` at t = 0, for sites of the shape of `like` and in its dtype."""
        return jnp.broadcast_to(jnp.asarray(self.prior, like.dtype).reshape(*(1,) * like.ndim, -1), (*like.shape, self.num_states))

    def widened(self, p: jax.Array) -> jax.Array:
        """Return probabilities of data `(..., K)` as probabilities of states `(..., S)`, with 0 for the mask."""
        extra = self.num_states - self.num_categories
        return p if extra == 0 else jnp.concatenate([p, jnp.zeros((*p.shape[:-1], extra), p.dtype)], -1)


def log_hazard(schedule: Schedule, t: jax.Array, s: jax.Array) -> jax.Array:
    """Return the integral of `kappa' / (1 - kappa)` from t to s, which is `log((1 - kappa(t)) / (1 - kappa(s)))`.

    Args:
        schedule: The schedule.
        t: Where the interval starts.
        s: Where it ends; the integral is infinite at s = 1.
    """
    return jnp.log(schedule.lost(t)) - jnp.log(schedule.lost(s))


def entropy_of_ratios(model: jax.Array, true: jax.Array) -> jax.Array:
    """Return the cost of each jump, `model - true + true log(true / model)`, which is 0 where the two agree; at a true ratio of 0 it is `model`.

    Args:
        model: Ratios or rates of a model.
        true: The true ones, in the same shape.
    """
    some = (true > 0) & (model > 0)
    # With d = log(model / true) it is true (exp(d) - 1 - d), which keeps its digits where the two are close.
    d = safe_log(jnp.where(some, model, 1)) - safe_log(jnp.where(some, true, 1))
    return jnp.where(some, true * (jnp.expm1(d) - d), jnp.where(true > 0, jnp.inf, model))
