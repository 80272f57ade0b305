"""A base reshaped by accepting and rejecting: proposals from another base, kept with a probability that depends on where they fall."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.model import Base

Acceptance = Callable[[Any], jax.Array]


class Resampled(NamedTuple):
    """What `resampled` returns: a base, with `rate` the mean acceptance Z and `rate_stderr` its standard error (0 where Z was given)."""

    proposal: Base
    acceptance: Acceptance
    num_proposals: int
    rate: float
    rate_stderr: float

    def sample(self, *, seed: Any, sample_shape: Any = ()) -> Any:
        """The first accepted of `num_proposals` proposals, the last one if none is: `(*sample_shape, *event)` per leaf."""
        shape = tuple(np.atleast_1d(np.asarray(sample_shape, int)).tolist())
        keys = jax.random.split(seed, int(np.prod(shape)))
        drawn = jax.vmap(self._one)(keys)
        return jax.tree.map(lambda a: a.reshape(*shape, *a.shape[1:]), drawn)

    def log_prob(self, value: Any) -> jax.Array:
        """Log density in nats of one event."""
        # 1 - (1 - Z)^(T - 1) without cancellation where Z is small; Python numbers, which take the dtype of what they meet.
        never = (1 - self.rate) ** (self.num_proposals - 1)
        ever = (
            -math.expm1((self.num_proposals - 1) * math.log1p(-self.rate)) / self.rate if self.rate < 1 else float(self.num_proposals > 1)
        )
        a = self.acceptance(value)
        mass = ever * a + never
        log = jnp.log(jnp.where(mass > 0, mass, 1))
        return self.proposal.log_prob(value) + jnp.where(mass > 0, log, -jnp.inf)

    def _one(self, key: jax.Array) -> Any:
        key_proposal, key_accept = jax.random.split(key)
        proposals = self.proposal.sample(seed=key_proposal, sample_shape=(self.num_proposals,))
        a = jax.vmap(self.acceptance)(proposals)
        accepted = jax.random.uniform(key_accept, a.shape, a.dtype) < a
        first = jnp.argmax(accepted.at[-1].set(True))
        return jax.tree.map(lambda leaf: leaf[first], proposals)


def resampled(
    proposal: Base,
    acceptance: Acceptance,
    num_proposals: int = 100,
    *,
    rate: float | None = None,
    num_estimate: int = 1_000_000,
    seed: int = 0,
) -> Resampled:
    """Learned accept-reject as a fixed base (arXiv 1810.11428, eq. 4; as a flow's base, arXiv 2110.15828).

    Of T = `num_proposals` draws from `proposal` pi, each is accepted with probability `acceptance(z)` in [0, 1] (one event to a scalar),
    the T-th always. With Z = E_pi[acceptance] the density is, exactly,
    `pi(z) ((1 - (1 - Z)^(T - 1)) acceptance(z) / Z + (1 - Z)^(T - 1))`.

    rate: Z where it is known, by quadrature or in closed form: the density is then exact. None: the mean over `num_estimate` proposals
        drawn once, here, from `seed`. The log density then has an error of about `rate_stderr / rate` nats (at most 1e-3 for Z >= 0.5 at the
        default), the same at every z but for the share of draws that only the T-th proposal ends; where acceptance(z) is 0 the density is
        that share's alone, and its error up to `(T - 1) rate_stderr / (1 - rate)`. Compare it with the precision needed before calling it exact.

    Raises ValueError for a count below one, a `rate` outside (0, 1], or an acceptance outside [0, 1] on the proposals drawn here.
    """
    for name, count in (("num_proposals", num_proposals), ("num_estimate", num_estimate)):
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"resampled: {name}={count!r}; accepted: an integer of at least 1.")
    if rate is not None:
        if not 0 < rate <= 1:
            raise ValueError(f"resampled: rate={rate!r}; accepted: a number in (0, 1], the mean acceptance.")
        return Resampled(proposal, acceptance, num_proposals, float(rate), 0.0)
    a = _acceptances(proposal, acceptance, num_estimate, seed)
    if not ((a >= 0) & (a <= 1)).all():
        raise ValueError(f"resampled: acceptance is {a.min():g} to {a.max():g} on the proposals; accepted: probabilities in [0, 1].")
    if not a.mean() > 0:
        raise ValueError(f"resampled: acceptance is 0 on all of {num_estimate} proposals; give rate=, or a wider proposal.")
    return Resampled(proposal, acceptance, num_proposals, float(a.mean()), float(a.std() / np.sqrt(num_estimate)))


def _acceptances(proposal: Base, acceptance: Acceptance, num: int, seed: int) -> np.ndarray:
    drawn = proposal.sample(seed=jax.random.key(seed), sample_shape=(num,))
    return np.asarray(jax.jit(jax.vmap(acceptance))(drawn), np.float64)
