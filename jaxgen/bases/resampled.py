"""A base reshaped by accepting and rejecting: proposals from another base are accepted with a probability that depends on their place."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.bases.shapes import Size, size_of
from jaxgen.compiled import traced_once
from jaxgen.model import Base
from jaxgen.types import Key, Noise, Shape

Acceptance: TypeAlias = Callable[[Noise], jax.Array]
"""One event to the probability, in [0, 1], with which it is accepted."""


class Resampled(NamedTuple):
    """Hold the base that `resampled` returns.

    Attributes:
        proposal: The base of the proposals.
        acceptance: The probability of acceptance of one event.
        num_proposals: The number T of proposals.
        rate: The mean acceptance Z.
        rate_stderr: The standard error of `rate`; 0 if the rate was given.
    """

    proposal: Base
    acceptance: Acceptance
    num_proposals: int
    rate: float
    rate_stderr: float

    def sample(self, *, seed: Key, sample_shape: Size = ()) -> Noise:
        """Return the first accepted of `num_proposals` proposals, or the last one if none is accepted.

        Args:
            seed: A random key.
            sample_shape: How many events: a number, or the sizes of leading axes.

        Returns:
            Events `(*sample_shape, *event)`.
        """
        return _events(seed, self, size_of(sample_shape))

    def log_prob(self, value: Noise) -> jax.Array:
        """Return the log density, in nats, of one event."""
        return _log_density(value, self)

    def _log_density(self, value: Noise) -> jax.Array:
        # 1 - (1 - Z)^(T - 1) without cancellation for small Z; Python numbers take the dtype of the arrays that they meet.
        never = (1 - self.rate) ** (self.num_proposals - 1)
        ever = (
            -math.expm1((self.num_proposals - 1) * math.log1p(-self.rate)) / self.rate if self.rate < 1 else float(self.num_proposals > 1)
        )
        a = self.acceptance(value)
        mass = ever * a + never
        log = jnp.log(jnp.where(mass > 0, mass, 1))
        return self.proposal.log_prob(value) + jnp.where(mass > 0, log, -jnp.inf)

    def _draw(self, key: Key) -> Noise:
        key_proposal, key_accept = jax.random.split(key)
        proposals = self.proposal.sample(seed=key_proposal, sample_shape=(self.num_proposals,))
        a = jax.vmap(self.acceptance)(proposals)
        accepted = jax.random.uniform(key_accept, a.shape, a.dtype) < a
        first = jnp.argmax(accepted.at[-1].set(True))
        return jax.tree.map(lambda leaf: leaf[first], proposals)


@functools.partial(traced_once, static=("base", "shape"))
def _events(seed: Key, base: Resampled, shape: Shape) -> Noise:
    events = jax.vmap(base._draw)(jax.random.split(seed, math.prod(shape)))
    return jax.tree.map(lambda a: a.reshape(*shape, *a.shape[1:]), events)


@functools.partial(traced_once, static=("base",))
def _log_density(value: Noise, base: Resampled) -> jax.Array:
    return base._log_density(value)


def resampled(
    proposal: Base,
    acceptance: Acceptance,
    num_proposals: int = 100,
    *,
    rate: float | None = None,
    num_estimate: int = 1_000_000,
    seed: int = 0,
) -> Resampled:
    """Build a base by learned accept-reject sampling, whose acceptance is fixed here.

    Of T = `num_proposals` draws from the proposal pi, each is accepted with probability `acceptance(z)`, and the T-th always. With the mean
    acceptance Z = E_pi[acceptance], the density is exactly `pi(z) ((1 - (1 - Z)^(T - 1)) acceptance(z) / Z + (1 - Z)^(T - 1))`.

    Args:
        proposal: The base pi of the proposals.
        acceptance: One event to its probability of acceptance, a scalar in [0, 1].
        num_proposals: The number T of proposals.
        rate: Z, where it is known by quadrature or in closed form: the density is then exact. None estimates Z as a mean over
            proposals. The log density then has an error of about `rate_stderr / rate` nats (at most 1e-3 for Z >= 0.5 at the default),
            nearly the same at every z. Where `acceptance(z)` is 0, its error is up to `(T - 1) rate_stderr / (1 - rate)`.
        num_estimate: The number of proposals that estimate Z.
        seed: The seed of these proposals.

    Raises:
        ValueError: A count is below 1, `rate` is outside (0, 1], or an acceptance is outside [0, 1] on the proposals drawn here.

    Source: arXiv 1810.11428, equation 4; as the base of a flow, arXiv 2110.15828.

    >>> from jaxgen import bases
    >>> positive = bases.resampled(bases.normal((1,)), lambda z: jnp.where(z[0] > 0, 1.0, 0.0), 30, rate=0.5)
    >>> z = jnp.ones(1)
    >>> round(float(positive.log_prob(z) - bases.normal((1,)).log_prob(z)), 4)
    0.6931
    """
    checks.counts("resampled", num_proposals=num_proposals, num_estimate=num_estimate)
    if rate is not None:
        checks.number("resampled: rate", rate, above=0, most=1)
        return Resampled(proposal, acceptance, num_proposals, float(rate), 0.0)
    a = _acceptances(proposal, acceptance, num_estimate, seed)
    if not ((a >= 0) & (a <= 1)).all():
        raise ValueError(f"resampled: acceptance from {a.min():g} to {a.max():g} on the proposals; accepted: probabilities in [0, 1].")
    if not a.mean() > 0:
        raise ValueError(f"resampled: acceptance=0 on all of {num_estimate} proposals; accepted: a positive mean, or its value as rate=.")
    return Resampled(proposal, acceptance, num_proposals, float(a.mean()), float(a.std() / np.sqrt(num_estimate)))


def _acceptances(proposal: Base, acceptance: Acceptance, num: int, seed: int) -> np.ndarray:
    proposals = proposal.sample(seed=jax.random.key(seed), sample_shape=(num,))
    return np.asarray(jax.jit(jax.vmap(acceptance))(proposals), np.float64)
