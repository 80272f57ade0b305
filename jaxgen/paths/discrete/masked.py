"""The absorbing process: a site loses its datum to the mask, and its reversal gives each mask a category once."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.paths.discrete.cells import one_hot, safe_log
from jaxgen.paths.discrete.path import DiscretePath, Reversal, log_hazard
from jaxgen.paths.discrete.schedule import Schedule, linear


def masked(num_categories: int, schedule: Schedule | None = None) -> DiscretePath:
    """Return the absorbing path: a site shows its datum with probability kappa(t), and the mask otherwise.

    Args:
        num_categories: K, the number of categories; the mask is the code K.
        schedule: kappa; None is `linear()`.

    Returns:
        A path of K + 1 states. Its rates from noise to data are those of the reversal, so discrete flow matching and masked diffusion are
        one on it.

    Raises:
        ValueError: `num_categories` is below 2.

    Source: arXiv 2107.03006, appendix A.2; arXiv 2406.07524, equations 4 to 7; arXiv 2406.04329, section 2.

    >>> from jaxgen import paths
    >>> path = paths.discrete.masked(2)
    >>> path.marginal(jnp.asarray([1.0, 0.0]), jnp.asarray(0.25)).tolist()
    [0.25, 0.0, 0.75]
    """
    checks.count("masked: num_categories", num_categories, 2)
    of, k = _Masked(linear() if schedule is None else schedule, num_categories), num_categories
    reversal = Reversal(of.noising, of.posterior, of.ratios, of.probabilities, of.rate, of.bound)
    hazard = functools.partial(log_hazard, of.kappa)
    return DiscretePath(k, k + 1, k, of.kappa, np.eye(k + 1)[k], of.marginal, of.state, of.shown, of.velocity, hazard, reversal)


@dataclass(frozen=True)
class _Masked:
    """The closed forms of the absorbing path: `kappa` is the schedule and `num` the number of categories, the code of the mask."""

    kappa: Schedule
    num: int

    def with_mask(self, p: jax.Array, rest: jax.Array) -> jax.Array:
        return jnp.concatenate([p, jnp.broadcast_to(rest, (*p.shape[:-1], 1))], -1)

    def marginal(self, p: jax.Array, t: jax.Array) -> jax.Array:
        return self.with_mask(self.kappa.kept(t) * p, self.kappa.lost(t))

    def shown(self, p: jax.Array, x_t: jax.Array) -> jax.Array:
        return jnp.where((x_t == self.num)[..., None], p, one_hot(x_t, self.num))

    def of_masks(self, value: jax.Array, x_t: jax.Array) -> jax.Array:
        return jnp.where((x_t == self.num)[..., None], value, one_hot(x_t, self.num + 1))

    def posterior(self, p: jax.Array, x_t: jax.Array, t: jax.Array, s: jax.Array) -> jax.Array:
        stays = self.kappa.lost(s) / self.kappa.lost(t)
        return self.of_masks(self.with_mask((1 - stays) * p, stays), x_t)

    def noising(self, x: jax.Array, x_s: jax.Array, s: jax.Array, t: jax.Array) -> jax.Array:
        keeps = self.kappa.kept(t) / self.kappa.kept(s)
        return keeps * one_hot(x_s, self.num + 1) + (1 - keeps) * one_hot(jnp.full_like(x_s, self.num), self.num + 1)

    def ratios(self, p: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        # No site is under the mask where nothing is lost; held finite, its gradient is 0 and not NaN.
        odds = self.kappa.kept(t) / jnp.maximum(self.kappa.lost(t), jnp.finfo(p.dtype).tiny)
        return self.of_masks(self.with_mask(odds * p, jnp.ones((), p.dtype)), x_t)

    def probabilities(self, ratios: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        # Their sum is kappa / (1 - kappa), which is 0 at t = 0.
        found = ratios[..., : self.num]
        return self.shown(found / jnp.maximum(jnp.sum(found, -1, keepdims=True), jnp.finfo(found.dtype).tiny), x_t)

    def rate(self, x_t: jax.Array, t: jax.Array) -> jax.Array:
        to_mask = self.kappa.renewal(t) * jnp.asarray([1.0] * self.num + [0.0], x_t.dtype)
        return (x_t == self.num).astype(x_t.dtype)[..., None] * to_mask.reshape(*(1,) * x_t.ndim, -1)

    def bound(self, p: jax.Array, x: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        log_p = safe_log(jnp.sum(p * one_hot(x, self.num), -1))
        return jnp.where(x_t == self.num, -self.kappa.hazard(t) * log_p, 0)

    def velocity(self, p: jax.Array, x_t: jax.Array, t: jax.Array) -> jax.Array:
        return (x_t == self.num).astype(p.dtype)[..., None] * self.with_mask(p, jnp.zeros((), p.dtype))

    def state(self, x: jax.Array, u: jax.Array, t: jax.Array) -> jax.Array:
        return jnp.where(u < self.kappa.kept(t), x, self.num)


def remasked(path: DiscretePath, eta: float) -> DiscretePath:
    """Return the masked path whose reversal puts known sites under the mask again, so that a sampler can correct itself.

    The marginals `q(x_t | x)` stay as they are, and so does a trained network. A known site is masked in a step from t to s with
    probability `eta min(1, (1 - kappa(s)) / kappa(t))`, and masks are filled faster to make up for it.

    Args:
        path: A path from `masked`.
        eta: The share of the largest possible probability, in [0, 1]; 0 is `path`.

    Returns:
        The path with another `posterior` and `noising`; its rates and its bound are those of `path`.

    Raises:
        ValueError: `path` has no mask, or `eta` is not in [0, 1].

    Source: arXiv 2503.00307, equations 4 to 6.

    >>> from jaxgen import paths
    >>> path = paths.discrete.remasked(paths.discrete.masked(2), 1.0)
    >>> t, s = jnp.asarray(0.5), jnp.asarray(0.75)
    >>> path.reversal.posterior(jnp.asarray([1.0, 0.0]), jnp.asarray(0.0), t, s).tolist()
    [0.5, 0.0, 0.5]
    """
    if path.mask is None or path.schedule is None or path.reversal is None:
        raise ValueError("remasked: path=one without a mask; accepted: a path from paths.discrete.masked.")
    checks.number("remasked: eta", eta, least=0, most=1)
    kappa, k = path.schedule, path.num_categories

    def sigma(t: jax.Array, s: jax.Array) -> jax.Array:
        return eta * jnp.minimum(1, kappa.lost(s) / jnp.maximum(kappa.kept(t), jnp.finfo(t.dtype).tiny))

    def split(masks: jax.Array, known: jax.Array, p: jax.Array, of_mask: jax.Array, of_known: jax.Array) -> jax.Array:
        """The probabilities of a category and of the mask, where `masks`, and elsewhere; `p` says which category."""
        shows = jnp.where(masks, of_mask, of_known)[..., None]
        return jnp.concatenate([shows * p, jnp.where(masks, 1 - of_mask, known)[..., None]], -1)

    def posterior(p: jax.Array, x_t: jax.Array, t: jax.Array, s: jax.Array) -> jax.Array:
        again = sigma(t, s)
        filled = (kappa.kept(s) - (1 - again) * kappa.kept(t)) / kappa.lost(t)
        return split(x_t == k, again, path.shown(p, x_t), filled, 1 - again)

    def noising(x: jax.Array, x_s: jax.Array, s: jax.Array, t: jax.Array) -> jax.Array:
        again = sigma(t, s)
        # By Bayes' rule from the posterior and the marginals; no site is under the mask at s = 1.
        from_mask = again * kappa.kept(t) / jnp.maximum(kappa.lost(s), jnp.finfo(t.dtype).tiny)
        keeps = (1 - again) * kappa.kept(t) / kappa.kept(s)
        return split(x_s == k, 1 - keeps, one_hot(x, k), from_mask, keeps)

    return path._replace(reversal=path.reversal._replace(noising=noising, posterior=posterior))
