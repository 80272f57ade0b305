"""From Gaussian to heavy tails: scalars whose left and right tail are power laws with an index of their own."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.compiled import traced_once
from jaxgen.numerics.gaussian import LOG_2, log_hazard, log_tail, tail_quantile
from jaxgen.transforms.scalars.scalar import Scalar

MIN_INDEX = 1e-4


class _Tail(NamedTuple):
    shift: jax.Array
    log_scale: jax.Array
    sign: jax.Array
    index: jax.Array


def power_tails(start: float = 0.1, max_log_scale: float = 3.0) -> Scalar:
    """Map Gaussian noise to generalised-Pareto tails: `x = shift + scale sign(z) (erfc(|z| / sqrt 2)^-k - 1) / k`.

    `k` is the tail index, one number left and one right of zero: `P(x > u)` falls as `u^(-1 / k)`, like a Student t with `1 / k` degrees of
    freedom. The inverse is closed in the Gaussian's quantile function. Where a sample would overflow it stays at a large finite number.

    Args:
        start: Both tail indices at `theta = 0`, above 1e-4.
        max_log_scale: The largest logarithm of the scale, above 0.

    Returns:
        A Scalar with the parameters shift, log scale, left index, right index.

    Raises:
        ValueError: A number is outside the range above.

    Source: arXiv 2406.16971, eq. 3.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> x, _ = transforms.power_tails(0.5).forward(jnp.zeros(4), jnp.asarray(4.0))
    >>> bool(x > 100)
    True
    """
    raise_start = _start("power_tails", start, max_log_scale)

    def parts(theta: jax.Array, value: jax.Array, in_data: bool) -> tuple[_Tail, jax.Array]:
        return _tail(theta, value, in_data, raise_start, max_log_scale)

    def log_slope(tail: _Tail, t: jax.Array, q: jax.Array) -> jax.Array:
        return tail.log_scale + tail.index * q + log_hazard(t)

    def forward(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        tail, t = parts(theta, z, False)
        q = -LOG_2 - log_tail(t)
        away = jnp.expm1(_representable(tail.index * q)) / tail.index
        return tail.shift + tail.sign * jnp.exp(tail.log_scale) * away, log_slope(tail, t, q)

    def inverse(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        tail, away = parts(theta, x, True)
        q = jnp.log1p(tail.index * away) / tail.index
        t = tail_quantile(q)
        return tail.sign * t, -log_slope(tail, t, q)

    return Scalar(4, traced_once(forward), traced_once(inverse))


def student_tails(start: float = 0.1, max_log_scale: float = 3.0) -> Scalar:
    """Build Tukey's h: `x = shift + scale z exp(h z^2 / 2)`, with the tails of a Student t of `1 / h` degrees of freedom.

    The quantile function of a Student t has no closed form; this one has its tail index, is smooth, tends to the affine map as `h` to 0
    and is inverted by Lambert's W. Where a sample would overflow it stays at a large finite number.

    Args:
        start: `h` at `theta = 0`, left and right of zero, above 1e-4.
        max_log_scale: The largest logarithm of the scale, above 0.

    Returns:
        A Scalar with the parameters shift, log scale, left `h`, right `h`.

    Raises:
        ValueError: A number is outside the range above.

    Source: arXiv 1010.2265, section 2.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> x, _ = transforms.student_tails(0.5).forward(jnp.zeros(4), jnp.asarray(4.0))
    >>> bool(x > 100)
    True
    """
    raise_start = _start("student_tails", start, max_log_scale)

    def parts(theta: jax.Array, value: jax.Array, in_data: bool) -> tuple[_Tail, jax.Array]:
        return _tail(theta, value, in_data, raise_start, max_log_scale)

    def forward(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        tail, t = parts(theta, z, False)
        w = tail.index * t**2
        away = t * jnp.exp(_representable(0.5 * w))
        return tail.shift + tail.sign * jnp.exp(tail.log_scale) * away, tail.log_scale + 0.5 * w + jnp.log1p(w)

    def inverse(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        tail, away = parts(theta, x, True)
        # The logarithm keeps the square of a far coordinate from overflowing.
        w = jnp.where(away > 0, _lambert_w(jnp.log(tail.index) + 2 * jnp.log(jnp.where(away > 0, away, 1))), 0)
        return tail.sign * away * jnp.exp(-0.5 * w), -tail.log_scale - 0.5 * w - jnp.log1p(w)

    return Scalar(4, traced_once(forward), traced_once(inverse))


def _start(name: str, start: float, max_log_scale: float) -> float:
    checks.number(f"{name}: start", start, above=MIN_INDEX)
    checks.number(f"{name}: max_log_scale", max_log_scale, above=0)
    return math.log(math.expm1(start - MIN_INDEX))


def _tail(theta: jax.Array, value: jax.Array, in_data: bool, raise_start: float, max_log_scale: float) -> tuple[_Tail, jax.Array]:
    """The side that `value` lies on and its distance from the centre, in units of the noise."""
    shift, log_scale = theta[0], max_log_scale * jnp.tanh(theta[1] / max_log_scale)
    u = (value - shift) * jnp.exp(-log_scale) if in_data else value
    left = u < 0
    index = MIN_INDEX + jax.nn.softplus(jnp.where(left, theta[2], theta[3]) + raise_start)
    # Not `abs` and `sign`, whose derivatives at zero are zero.
    return _Tail(shift, log_scale, jnp.where(left, -1, 1).astype(u.dtype), index), jnp.where(left, -u, u)


def _representable(exponent: jax.Array) -> jax.Array:
    """An exponent whose exponential, times a scale, and squared by a later layer, is still finite."""
    return jnp.minimum(exponent, 0.4 * math.log(float(jnp.finfo(exponent.dtype).max)))


def _newton_w(log_v: jax.Array) -> jax.Array:
    return jax.lax.fori_loop(0, 6, lambda _, w: w * (1 + log_v - jnp.log(w)) / (1 + w), jax.nn.softplus(log_v))


# The rule dw = w / (1 + w) dlog v spares differentiating the iteration.
_lambert_w: Callable[[jax.Array], jax.Array] = jax.custom_jvp(_newton_w)


@_lambert_w.defjvp  # pyright: ignore[reportFunctionMemberAccess]
def _lambert_w_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    w = _lambert_w(primals[0])
    return w, tangents[0] * w / (1 + w)
