"""Noise schedules: alpha and sigma as functions of t in [0, 1], from noise to data."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer

from jaxgen import checks
from jaxgen.numerics import monotone_root

Schedule = Callable[[jax.Array], jax.Array]


class Path(NamedTuple):
    """`x_t = alpha(t) x + sigma(t) z`. `alpha` grows, `sigma` falls; `alpha(0)` is (nearly) 0 against `sigma(0)`."""

    alpha: Schedule
    sigma: Schedule

    def at(self, t: jax.Array, x: jax.Array, z: jax.Array) -> jax.Array:
        """The point `x_t` between the data `x` and the noise `z`, both `(d,)`."""
        return self.alpha(t) * x + self.sigma(t) * z

    def rates(self, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        """`(alpha'(t), sigma'(t))`."""
        one = jnp.ones_like(t)
        return jax.jvp(self.alpha, (t,), (one,))[1], jax.jvp(self.sigma, (t,), (one,))[1]

    def diffusion(self, t: jax.Array) -> jax.Array:
        """`g(t)^2` of the noising SDE with these marginals: `2 sigma^2 (alpha'/alpha - sigma'/sigma)` (arXiv 2011.13456, eq. 5, time reversed)."""
        alpha, sigma = self.alpha(t), self.sigma(t)
        d_alpha, d_sigma = self.rates(t)
        return 2 * sigma * (sigma * d_alpha / alpha - d_sigma)

    def log_snr(self, t: jax.Array) -> jax.Array:
        """`log(alpha / sigma)`, half the log signal-to-noise ratio; finite where alpha or sigma is 0, as each is held above the dtype's tiny."""
        tiny = jnp.finfo(t.dtype).tiny
        return jnp.log(jnp.maximum(self.alpha(t), tiny)) - jnp.log(jnp.maximum(self.sigma(t), tiny))

    def time_of(self, log_snr: jax.Array) -> jax.Array:
        """The t in [0, 1] at which `log_snr(t)` is the scalar given; the nearer end where no t has it."""
        zero = jnp.zeros_like(log_snr)
        return monotone_root(lambda _, t: self.log_snr(t), (), log_snr, zero, zero + 1)

    def ends(self) -> tuple[bool, bool]:
        """Whether alpha is exactly 0 at t = 0, and sigma at t = 1: the path then reaches pure noise, or the data themselves.

        A path whose schedules are being traced (a learned one) is taken to reach neither.
        """
        try:
            with jax.ensure_compile_time_eval():
                start, end = jnp.zeros(()), jnp.ones(())
                return abs(float(self.alpha(start))) < 1e-12, abs(float(self.sigma(end))) < 1e-12
        except jax.errors.ConcretizationTypeError:
            return False, False

    def is_finite_at(self, t: float) -> bool:
        """Whether alpha, sigma and their rates are finite at `t`; true where the schedules are being traced, as nobody can see."""
        try:
            with jax.ensure_compile_time_eval():
                at = jnp.asarray(t, jnp.zeros(()).dtype)
                return all(math.isfinite(float(a)) for a in (self.alpha(at), self.sigma(at), *self.rates(at)))
        except jax.errors.ConcretizationTypeError:
            return True


def linear() -> Path:
    """Conditional optimal transport, `alpha = t`, `sigma = 1 - t` (arXiv 2210.02747, eq. 20 with sigma_min = 0)."""
    return Path(lambda t: t, lambda t: 1 - t)


def vp_linear(beta_min: float = 0.1, beta_max: float = 20.0, last: float = 1e-4) -> Path:
    """Variance preserving with linear beta (arXiv 2011.13456, eq. 33): `alpha^2 + sigma^2 = 1`.

    The noising time runs from 1 at t = 0 to `last` at t = 1, where sigma is about `sqrt(beta_min * last)` and the score still finite.
    """
    _increasing("vp_linear", beta_min=beta_min, beta_max=beta_max)
    checks.number("vp_linear: last", last, above=0, below=1)

    def log_alpha(t: jax.Array) -> jax.Array:
        tau = 1 - t * (1 - last)
        return -0.5 * tau * (beta_min + 0.5 * tau * (beta_max - beta_min))

    return Path(lambda t: jnp.exp(log_alpha(t)), lambda t: jnp.sqrt(-jnp.expm1(2 * log_alpha(t))))


def vp_log_snr(low: float = -5.0, high: float = 13.3) -> Path:
    """Variance preserving with `log(alpha^2 / sigma^2)` linear from `low` at t = 0 to `high` at t = 1 (arXiv 2107.00630, section 5.1).

    The ends are that paper's gamma with its sign changed; they may be traced, which makes them learnable.
    """
    if not isinstance(low, Tracer) and not isinstance(high, Tracer) and not low < high:
        raise ValueError(f"vp_log_snr: low={low!r}, high={high!r}; accepted: low < high.")

    def half_log(t: jax.Array, sign: int) -> jax.Array:
        return jnp.exp(0.5 * jax.nn.log_sigmoid(sign * (low + t * (high - low))))

    return Path(lambda t: half_log(t, 1), lambda t: half_log(t, -1))


def vp_cosine(first: float = 0.99, last: float = 0.002) -> Path:
    """Variance preserving with `alpha = cos(pi tau / 2)` (arXiv 2102.09672, eq. 17), tau from `first` at t = 0 to `last` at t = 1."""
    _increasing("vp_cosine", last=last, first=first)
    checks.number("vp_cosine: first", first, most=1)

    def angle(t: jax.Array) -> jax.Array:
        return 0.5 * jnp.pi * (first + t * (last - first))

    return Path(lambda t: jnp.cos(angle(t)), lambda t: jnp.sin(angle(t)))


def edm(sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> Path:
    """Variance exploding, `alpha = 1`, sigma on the rho-grid of arXiv 2206.00364, eq. 5: equal steps in t are that paper's steps."""
    _increasing("edm", sigma_min=sigma_min, sigma_max=sigma_max)
    checks.number("edm: rho", rho, above=0)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return Path(jnp.ones_like, lambda t: (high + t * (low - high)) ** rho)


def ve(sigma_min: float = 0.01, sigma_max: float = 50.0) -> Path:
    """Variance exploding, `alpha = 1`, sigma geometric from `sigma_max` to `sigma_min` (arXiv 2011.13456, eq. 30)."""
    _increasing("ve", sigma_min=sigma_min, sigma_max=sigma_max)
    return Path(jnp.ones_like, lambda t: sigma_max * (sigma_min / sigma_max) ** t)


def trigonometric() -> Path:
    """`alpha = sin(pi t / 2)`, `sigma = cos(pi t / 2)`, both exactly 0 at their end (arXiv 2209.15571, eq. 5)."""
    # As a sine of the time left, sigma is 0 at t = 1 and not the rounding of pi / 2.
    return Path(lambda t: jnp.sin(0.5 * jnp.pi * t), lambda t: jnp.sin(0.5 * jnp.pi * (1 - t)))


def follmer() -> Path:
    """`alpha = t`, `sigma = sqrt(1 - t^2)` (arXiv 2403.13724): variance preserving, and reverse diffusion by a Follmer process.

    sigma's rate is infinite at t = 1; readings there are limits (see `paths.prediction`).
    """
    return Path(lambda t: t, lambda t: jnp.sqrt((1 - t) * (1 + t)))


def _increasing(where: str, **ends: float) -> None:
    (low_name, low), (high_name, high) = ends.items()
    checks.number(f"{where}: {low_name}", low, above=0)
    checks.number(f"{where}: {high_name}", high, above=0)
    # A bound that is traced belongs to a learned schedule, whose order nobody can see here.
    if not isinstance(low, Tracer) and not isinstance(high, Tracer) and not low < high:
        raise ValueError(f"{where}: {low_name}={low!r}, {high_name}={high!r}; accepted: {low_name} < {high_name}.")
