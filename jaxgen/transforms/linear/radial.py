"""The radial transform: the event is moved away from a centre or towards it (arXiv 1505.05770)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.numerics import safe_norm
from jaxgen.transform import Transform
from jaxgen.transforms.linear.amortised import Theta, above_minus_one, amortised


def radial(*, net: Callable[[int], Net] | None = None) -> Transform:
    """`x = z + beta (z - centre) / (alpha + r)`, `r = |z - centre|`, on events `(d,)` (arXiv 1505.05770, eq. 14).

    `alpha > 0` by a softplus and `beta >= -0.999 alpha` (A.2), the identity at `strength = 0`. The log-det is eq. 14's. The inverse is in
    closed form: `|x - centre|` is a quadratic in r with one root that is not negative. With `net` a condition moves all three.
    params: `{"theta": {"centre": (d,), "width", "strength": ()}}` and `"net"`.
    """

    def start(key: jax.Array, z: jax.Array) -> Theta:
        key_centre, key_strength = jax.random.split(key)
        strength = 0.1 * jax.random.normal(key_strength, (), z.dtype)
        return {"centre": 0.5 * jax.random.normal(key_centre, z.shape, z.dtype), "width": jnp.ones((), z.dtype), "strength": strength}

    def constants(theta: Theta) -> tuple[jax.Array, jax.Array]:
        # The floor keeps a width far below zero from dividing zero by zero at the centre.
        alpha = jax.nn.softplus(theta["width"]) + jnp.asarray(1e-3, theta["width"].dtype)
        return alpha, alpha * above_minus_one(theta["strength"])

    def log_det(alpha: jax.Array, beta: jax.Array, r: jax.Array, d: int) -> jax.Array:
        return (d - 1) * jnp.log1p(beta / (alpha + r)) + jnp.log1p(beta / (alpha + r) * (alpha / (alpha + r)))

    def forward(theta: Theta, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        alpha, beta = constants(theta)
        away = z - theta["centre"]
        r = safe_norm(away)
        return z + beta / (alpha + r) * away, log_det(alpha, beta, r, z.shape[0])

    def inverse(theta: Theta, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        alpha, beta = constants(theta)
        away = x - theta["centre"]
        r = _radius(alpha, beta, safe_norm(away))
        return theta["centre"] + away / (1 + beta / (alpha + r)), -log_det(alpha, beta, r, x.shape[0])

    return amortised(start, forward, inverse, net, ("centre", "width", "strength"))


def _radius(alpha: jax.Array, beta: jax.Array, s: jax.Array) -> jax.Array:
    """The root `r >= 0` of `r + beta r / (alpha + r) = s`, by whichever form of it does not cancel."""
    half = (alpha + beta - s) / 2
    outside = half < 0
    q = jnp.where(outside, -half, half) + jnp.sqrt(half * half + alpha * s)
    return jnp.where(outside, q, alpha * s / q)
