"""The radial transform: the event is moved away from a centre or towards it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.numerics import safe_norm
from jaxgen.transform import Transform
from jaxgen.transforms.linear.amortised import Theta, above_minus_one, amortised
from jaxgen.types import Key


def radial(*, net: Callable[[int], Net] | None = None) -> Transform:
    """Build the radial map `x = z + beta (z - centre) / (alpha + r)` with `r = |z - centre|` on events `(d,)`.

    The event moves away from the centre or towards it. `alpha > 0` is a softplus of `width`, and `beta >= -0.999 alpha` is a map of
    `strength` that makes the transform invertible and the identity at `strength = 0`. The inverse is in closed form: `|x - centre|` is a
    quadratic in r with a single root that is not negative.

    Args:
        net: `net(num_outputs)` returns a network of the condition that moves all three params. None ignores a condition.

    Returns:
        An EXACT transform. Its params are `{"theta": {"centre": (d,), "width", "strength": ()}}`, with a network and a condition also
        `"net"`.

    Source: arXiv 1505.05770, equation 14 and appendix A.2.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> params = {"theta": {"centre": jnp.ones(2), "width": jnp.zeros(()), "strength": jnp.ones(())}}
    >>> x, log_det = transforms.radial().forward_and_log_det(params, jnp.ones(2))
    >>> x.tolist(), round(float(jnp.exp(log_det)), 4)
    ([1.0, 1.0], 4.0)
    """

    def start(key: Key, z: jax.Array) -> Theta:
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
    """Return the root `r >= 0` of `r + beta r / (alpha + r) = s`, by the form of the quadratic formula that does not cancel."""
    half = (alpha + beta - s) / 2
    outside = half < 0
    q = jnp.where(outside, -half, half) + jnp.sqrt(half * half + alpha * s)
    return jnp.where(outside, q, alpha * s / q)
