"""Schedules of corruption: the probability that a site shows its datum at t in [0, 1]."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks


class Schedule(NamedTuple):
    """Say how many sites show their data at t: none at t = 0, all at t = 1.

    Attributes:
        kept: The probability kappa(t) that a site shows its datum, from exactly 0 to exactly 1.
        lost: `1 - kappa(t)`, computed without cancellation near t = 1.
        inverse: The time at which `kept` has a value in [0, 1].
    """

    kept: Callable[[jax.Array], jax.Array]
    lost: Callable[[jax.Array], jax.Array]
    inverse: Callable[[jax.Array], jax.Array]

    def rate(self, t: jax.Array) -> jax.Array:
        """Return the derivative of kappa in t."""
        return jax.jvp(self.kept, (t,), (jnp.ones_like(t),))[1]

    def hazard(self, t: jax.Array) -> jax.Array:
        """Return `kappa' / (1 - kappa)`, the rate at which a site that does not show its datum yet comes to show it; finite at t = 1 too."""
        return self.rate(t) / jnp.maximum(self.lost(t), jnp.finfo(t.dtype).tiny)

    def renewal(self, t: jax.Array) -> jax.Array:
        """Return `kappa' / kappa`, the rate at which noising takes a site's datum away; at t = 0, where it is infinite, a large number."""
        return self.rate(t) / jnp.maximum(self.kept(t), jnp.finfo(t.dtype).eps)


def linear() -> Schedule:
    """Return the schedule `kappa = t`, which is the log-linear noise schedule of arXiv 2406.07524.

    >>> float(linear().kept(jnp.asarray(0.25)))
    0.25
    """
    return Schedule(lambda t: t, lambda t: 1 - t, lambda kappa: kappa)


def polynomial(power: float = 2.0) -> Schedule:
    """Return the schedule `kappa = t^power`.

    Args:
        power: The exponent, at least 1; a larger one keeps more sites corrupted for longer.

    Raises:
        ValueError: `power` is below 1.

    Source: arXiv 2407.15595, section 4; arXiv 2406.04329, table 4.

    >>> float(polynomial(2.0).inverse(jnp.asarray(0.25)))
    0.5
    """
    checks.number("polynomial: power", power, least=1)

    def lost(t: jax.Array) -> jax.Array:
        # The logarithm of 0 is held finite, whose power is 0 nevertheless.
        return -jnp.expm1(power * jnp.log(jnp.maximum(t, jnp.finfo(t.dtype).tiny)))

    return Schedule(lambda t: t**power, lost, lambda kappa: kappa ** (1 / power))


def cosine() -> Schedule:
    """Return the schedule `kappa = 1 - cos(pi t / 2)`, slow where most sites are corrupted.

    Source: arXiv 2202.04200; arXiv 2406.04329, table 4.

    >>> float(cosine().kept(jnp.asarray(1.0)))
    1.0
    """
    # As squares and sines of what is left, both are exactly 0 at their end.
    return Schedule(
        lambda t: 2 * jnp.sin(0.25 * jnp.pi * t) ** 2,
        lambda t: jnp.sin(0.5 * jnp.pi * (1 - t)),
        lambda kappa: 4 / jnp.pi * jnp.arcsin(jnp.sqrt(0.5 * kappa)),
    )
