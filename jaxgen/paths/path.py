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
    """Describe `x_t = alpha(t) x + sigma(t) z`, from noise z at t = 0 to data x at t = 1.

    Attributes:
        alpha: The weight of the data, which grows with t; `alpha(0)` is 0 or far below `sigma(0)`.
        sigma: The weight of the noise, which falls with t.
    """

    alpha: Schedule
    sigma: Schedule

    def at(self, t: jax.Array, x: jax.Array, z: jax.Array) -> jax.Array:
        """Return the point `x_t` between data and noise.

        Args:
            t: The time in [0, 1], a scalar.
            x: Data `(d,)`.
            z: Noise `(d,)`.

        Returns:
            The point `(d,)`.
        """
        return self.alpha(t) * x + self.sigma(t) * z

    def rates(self, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the derivatives `(alpha'(t), sigma'(t))`."""
        one = jnp.ones_like(t)
        return jax.jvp(self.alpha, (t,), (one,))[1], jax.jvp(self.sigma, (t,), (one,))[1]

    def diffusion(self, t: jax.Array) -> jax.Array:
        """Return `g(t)^2 = 2 sigma^2 (alpha'/alpha - sigma'/sigma)` of the noising SDE with these marginals.

        Source: arXiv 2011.13456, eq. 5, with time reversed.
        """
        alpha, sigma = self.alpha(t), self.sigma(t)
        d_alpha, d_sigma = self.rates(t)
        return 2 * sigma * (sigma * d_alpha / alpha - d_sigma)

    def log_snr(self, t: jax.Array) -> jax.Array:
        """Return `log(alpha / sigma)`, half the log signal-to-noise ratio.

        It is finite where alpha or sigma is 0, because both are held above the smallest normal number of the dtype.
        """
        tiny = jnp.finfo(t.dtype).tiny
        return jnp.log(jnp.maximum(self.alpha(t), tiny)) - jnp.log(jnp.maximum(self.sigma(t), tiny))

    def time_of(self, log_snr: jax.Array) -> jax.Array:
        """Return the t in [0, 1] at which `log_snr(t)` is the scalar given, or the nearer end if no t has it."""
        zero = jnp.zeros_like(log_snr)
        return monotone_root(lambda _, t: self.log_snr(t), (), log_snr, zero, zero + 1)

    def ends(self) -> tuple[bool, bool]:
        """Return whether alpha is exactly 0 at t = 0 (pure noise), and whether sigma is exactly 0 at t = 1 (the data themselves).

        A learned path, whose schedules are being traced, counts as reaching neither.
        """
        try:
            with jax.ensure_compile_time_eval():
                start, end = jnp.zeros(()), jnp.ones(())
                return abs(float(self.alpha(start))) < 1e-12, abs(float(self.sigma(end))) < 1e-12
        except jax.errors.ConcretizationTypeError:
            return False, False

    def is_finite_at(self, t: float) -> bool:
        """Return whether alpha, sigma and their rates are finite at `t`; True for a learned path that is being traced, whose values are unknown."""
        try:
            with jax.ensure_compile_time_eval():
                at = jnp.asarray(t, jnp.zeros(()).dtype)
                return all(math.isfinite(float(a)) for a in (self.alpha(at), self.sigma(at), *self.rates(at)))
        except jax.errors.ConcretizationTypeError:
            return True


def linear() -> Path:
    """Return the path of conditional optimal transport, `alpha = t` and `sigma = 1 - t`.

    Source: arXiv 2210.02747, eq. 20 with sigma_min = 0.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> path, t = paths.linear(), jnp.asarray([0.0, 0.5, 1.0])
    >>> path.alpha(t), path.sigma(t)
    (Array([0. , 0.5, 1. ], dtype=float32), Array([1. , 0.5, 0. ], dtype=float32))
    """
    return Path(lambda t: t, lambda t: 1 - t)


def vp_linear(beta_min: float = 0.1, beta_max: float = 20.0, last: float = 1e-4) -> Path:
    """Return the variance-preserving path with linear beta: `alpha^2 + sigma^2 = 1`.

    The noising time runs from 1 at t = 0 to `last` at t = 1, where sigma is about `sqrt(beta_min * last)` and the score still finite.

    Args:
        beta_min: The noising rate at noising time 0, above 0.
        beta_max: The noising rate at noising time 1, above `beta_min`.
        last: The noising time at t = 1, in (0, 1).

    Raises:
        ValueError: A number is outside the range above.

    Source: arXiv 2011.13456, eq. 33.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> path, t = paths.vp_linear(), jnp.asarray([0.0, 0.5, 1.0])
    >>> bool(jnp.allclose(path.alpha(t) ** 2 + path.sigma(t) ** 2, 1))
    True
    """
    _increasing("vp_linear", beta_min=beta_min, beta_max=beta_max)
    checks.number("vp_linear: last", last, above=0, below=1)

    def log_alpha(t: jax.Array) -> jax.Array:
        tau = 1 - t * (1 - last)
        return -0.5 * tau * (beta_min + 0.5 * tau * (beta_max - beta_min))

    return Path(lambda t: jnp.exp(log_alpha(t)), lambda t: jnp.sqrt(-jnp.expm1(2 * log_alpha(t))))


def vp_log_snr(low: float = -5.0, high: float = 13.3) -> Path:
    """Return the variance-preserving path whose log signal-to-noise ratio is linear in t.

    The ends are the paper's gamma with its sign changed; they may be traced, which makes them learnable.

    Args:
        low: `log(alpha^2 / sigma^2)` at t = 0.
        high: `log(alpha^2 / sigma^2)` at t = 1, above `low`.

    Raises:
        ValueError: `low` is not below `high`.

    Source: arXiv 2107.00630, section 5.1.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> path, t = paths.vp_log_snr(), jnp.asarray([0.0, 0.5, 1.0])
    >>> bool(jnp.allclose(2 * path.log_snr(t), jnp.asarray([-5.0, 4.15, 13.3])))
    True
    """
    if not isinstance(low, Tracer) and not isinstance(high, Tracer) and not low < high:
        raise ValueError(f"vp_log_snr: low={low!r}, high={high!r}; accepted: low < high.")

    def half_log(t: jax.Array, sign: int) -> jax.Array:
        return jnp.exp(0.5 * jax.nn.log_sigmoid(sign * (low + t * (high - low))))

    return Path(lambda t: half_log(t, 1), lambda t: half_log(t, -1))


def vp_cosine(first: float = 0.99, last: float = 0.002) -> Path:
    """Return the variance-preserving path with `alpha = cos(pi tau / 2)`, tau linear from `first` at t = 0 to `last` at t = 1.

    Args:
        first: tau at t = 0, at most 1, where alpha(0) is exactly 0.
        last: tau at t = 1, above 0 and below `first`.

    Raises:
        ValueError: A number is outside the range above.

    Source: arXiv 2102.09672, eq. 17.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> path = paths.vp_cosine(first=1.0)
    >>> float(path.alpha(jnp.asarray(0.0))), float(path.sigma(jnp.asarray(0.0)))
    (0.0, 1.0)
    """
    _increasing("vp_cosine", last=last, first=first)
    checks.number("vp_cosine: first", first, most=1)

    def angle(start: float, end: float, t: jax.Array) -> jax.Array:
        return 0.5 * jnp.pi * (start + t * (end - start))

    # The cosine as a sine of what is left to a quarter turn: where `first` is 1, alpha(0) is 0 and not a rounding error below it.
    return Path(lambda t: jnp.sin(angle(1 - first, 1 - last, t)), lambda t: jnp.sin(angle(first, last, t)))


def edm(sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> Path:
    """Return the variance-exploding path, `alpha = 1`, with EDM's rho-grid for sigma: equal steps in t are that paper's steps.

    Args:
        sigma_min: sigma at t = 1, above 0, in units of the data.
        sigma_max: sigma at t = 0, above `sigma_min`.
        rho: Exponent of the grid, above 0; a larger one has more steps at small sigma.

    Raises:
        ValueError: A number is outside the range above.

    Source: arXiv 2206.00364, eq. 5.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> round(float(paths.edm(rho=1.0).sigma(jnp.asarray(0.5))), 3)
    40.001
    """
    _increasing("edm", sigma_min=sigma_min, sigma_max=sigma_max)
    checks.number("edm: rho", rho, above=0)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return Path(jnp.ones_like, lambda t: (high + t * (low - high)) ** rho)


def ve(sigma_min: float = 0.01, sigma_max: float = 50.0) -> Path:
    """Return the variance-exploding path, `alpha = 1`, with sigma geometric from `sigma_max` at t = 0 to `sigma_min` at t = 1.

    Args:
        sigma_min: sigma at t = 1, above 0, in units of the data.
        sigma_max: sigma at t = 0, above `sigma_min`.

    Raises:
        ValueError: A number is outside the range above.

    Source: arXiv 2011.13456, eq. 30.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> round(float(paths.ve(0.01, 100.0).sigma(jnp.asarray(0.5))), 3)
    1.0
    """
    _increasing("ve", sigma_min=sigma_min, sigma_max=sigma_max)
    return Path(jnp.ones_like, lambda t: sigma_max * (sigma_min / sigma_max) ** t)


def trigonometric() -> Path:
    """Return the path `alpha = sin(pi t / 2)`, `sigma = cos(pi t / 2)`, both exactly 0 at their end.

    Source: arXiv 2209.15571, eq. 5.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> path, t = paths.trigonometric(), jnp.asarray([0.0, 0.5, 1.0])
    >>> path.alpha(t)[0], path.sigma(t)[-1]
    (Array(0., dtype=float32), Array(0., dtype=float32))
    """
    # As a sine of the time left, sigma is 0 at t = 1 and not the rounding of pi / 2.
    return Path(lambda t: jnp.sin(0.5 * jnp.pi * t), lambda t: jnp.sin(0.5 * jnp.pi * (1 - t)))


def follmer() -> Path:
    """Return the path `alpha = t`, `sigma = sqrt(1 - t^2)`: variance preserving, its reverse diffusion a Follmer process.

    The rate of sigma is infinite at t = 1. Predictions read there are limits; see `paths.prediction`.

    Source: arXiv 2403.13724.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> path, t = paths.follmer(), jnp.asarray([0.0, 0.5, 1.0])
    >>> bool(jnp.allclose(path.alpha(t) ** 2 + path.sigma(t) ** 2, 1))
    True
    """
    return Path(lambda t: t, lambda t: jnp.sqrt((1 - t) * (1 + t)))


def _increasing(where: str, **ends: float) -> None:
    (low_name, low), (high_name, high) = ends.items()
    checks.number(f"{where}: {low_name}", low, above=0)
    checks.number(f"{where}: {high_name}", high, above=0)
    # A bound that is traced belongs to a learned schedule, whose order nobody can see here.
    if not isinstance(low, Tracer) and not isinstance(high, Tracer) and not low < high:
        raise ValueError(f"{where}: {low_name}={low!r}, {high_name}={high!r}; accepted: {low_name} < {high_name}.")
