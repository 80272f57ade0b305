"""The standard Gaussian's tail in logarithms: its hazard rate and its quantile function, exact where the probabilities underflow."""

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr

LOG_2 = math.log(2)
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
# Beyond this the asymptotic series is exact to rounding, and the difference of two large logarithms is not.
_FAR = 50.0


def log_hazard(t: jax.Array) -> jax.Array:
    """`log(pdf(t) / (1 - cdf(t)))` for `t >= 0`, which tends to `log t`."""
    return _log_hazard(t, log_ndtr(-t))


def _log_hazard(t: jax.Array, log_tail: jax.Array) -> jax.Array:
    far = t > _FAR
    distant = jnp.where(far, t, _FAR)
    r = 1 / distant**2
    series = jnp.log(distant) + jnp.log1p(r * (1 - r * (2 - 10 * r)))
    return jnp.where(far, series, -0.5 * jnp.where(far, 0, t) ** 2 - _LOG_SQRT_2PI - jnp.where(far, 0, log_tail))


@jax.custom_jvp
def tail_quantile(q: jax.Array) -> jax.Array:
    """The `t >= 0` with `-log(2 (1 - cdf(t))) = q` for `q >= 0`: how far out an event of two-sided log probability `-q` lies.

    Newton's method on the concave `log_ndtr` from `t = sqrt(2 q)`, which is never short of the root, approaches it from one side.
    """

    def step(_: int, t: jax.Array) -> jax.Array:
        log_tail = log_ndtr(-t)
        return jnp.maximum(t + (log_tail + LOG_2 + q) * jnp.exp(-_log_hazard(t, log_tail)), 0)

    return jax.lax.fori_loop(0, 6, step, jnp.sqrt(2 * q))


@tail_quantile.defjvp
def _tail_quantile_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    t = tail_quantile(primals[0])
    return t, tangents[0] * jnp.exp(-log_hazard(t))
