"""The standard Gaussian's tail in logarithms: its hazard rate and its quantile function, exact where the probabilities underflow."""

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr

LOG_2 = math.log(2)
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
# Beyond this the asymptotic series is exact to rounding; the difference of two large logarithms, and JAX's own shorter series, are not.
_FAR = 19.5
_SERIES = (-8162.0, 706.0, -74.0, 10.0, -2.0, 1.0)


def log_tail(t: jax.Array) -> jax.Array:
    """Return `log(1 - cdf(t))` of the standard Gaussian for `t >= 0`."""
    return _tail_and_hazard(t)[0]


def log_hazard(t: jax.Array) -> jax.Array:
    """Return `log(pdf(t) / (1 - cdf(t)))` of the standard Gaussian for `t >= 0`, which tends to `log t`."""
    return _tail_and_hazard(t)[1]


def _tail_and_hazard(t: jax.Array) -> tuple[jax.Array, jax.Array]:
    far = t > _FAR
    near, distant = jnp.where(far, 0, t), jnp.where(far, t, _FAR)
    r, sum_of_powers = 1 / distant**2, jnp.zeros_like(t)
    for coefficient in _SERIES:
        sum_of_powers = r * (sum_of_powers + coefficient)
    series, log_pdf = jnp.log(distant) + jnp.log1p(sum_of_powers), -0.5 * t**2 - _LOG_SQRT_2PI
    tail = jnp.where(far, log_pdf - series, log_ndtr(-near))
    return tail, jnp.where(far, series, log_pdf - tail)


@jax.custom_jvp
def tail_quantile(q: jax.Array) -> jax.Array:
    """Return the `t >= 0` for which `-log(2 (1 - cdf(t))) = q`, for `q >= 0`.

    It says how far out an event of two-sided log probability `-q` lies. Newton's method on the concave logarithm of the tail starts from
    `t = sqrt(2 q)`, which is never below the root, and approaches the root from one side.
    """

    def step(_: int, t: jax.Array) -> jax.Array:
        tail, hazard = _tail_and_hazard(t)
        return jnp.maximum(t + (tail + LOG_2 + q) * jnp.exp(-hazard), 0)

    return jax.lax.fori_loop(0, 6, step, jnp.sqrt(2 * q))


@tail_quantile.defjvp
def _tail_quantile_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    t = tail_quantile(primals[0])
    return t, tangents[0] * jnp.exp(-log_hazard(t))
