"""Splines on the circle: angles in [-pi, pi) to angles, with one slope where the ends meet (arXiv 2002.02428, sec. 3.2)."""

import math

import jax
import jax.numpy as jnp

from jaxgen.compiled import traced_once
from jaxgen.nets import Net
from jaxgen.transforms.scalars.scalar import Scalar
from jaxgen.transforms.scalars.spline import rational_quadratic


def circular_spline(num_bins: int = 8, phase: bool = True, min_bin: float = 1e-3, min_slope: float = 1e-3) -> Scalar:
    """Build a rational-quadratic spline on angles in [-pi, pi) whose two ends share a slope.

    The density is continuous around the circle. Outside [-pi, pi) the map is the identity: with a base that is uniform on that interval
    the density there is zero. `theta = 0` is the identity.

    Args:
        num_bins: Number of bins, at least 2.
        phase: Whether a rotation by the last number of `theta` follows, without which -pi stays in place.
        min_bin: The least share of the circle that a bin has.
        min_slope: The least slope at a knot, in (0, 1).

    Returns:
        A Scalar with `3 num_bins` parameters, and one more where `phase`.

    Raises:
        ValueError: A number is outside what `rational_quadratic` accepts.

    Source: arXiv 2002.02428, section 3.2.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> scalar = transforms.circular_spline(3)
    >>> scalar.forward(jnp.zeros(10).at[-1].set(1.0), jnp.asarray(3.0))[0]
    Array(-2.283185, dtype=float32)
    """
    spline = rational_quadratic(num_bins, math.pi, min_bin, min_slope, periodic=True)
    if not phase:
        return spline

    def forward(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, log_slope = spline.forward(theta[:-1], z)
        return jnp.where(_on_circle(z), _wrap(x + theta[-1]), z), log_slope

    def inverse(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        inside = _on_circle(x)
        z, log_slope = spline.inverse(theta[:-1], jnp.where(inside, _wrap(x - theta[-1]), x))
        return z, log_slope

    return Scalar(spline.num_params + 1, traced_once(forward), traced_once(inverse))


def of_angles(net: Net) -> Net:
    """Return a network that reads its first input, angles `(d,)`, through their cosine and sine.

    What it says of two angles 2 pi apart is then the same.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> net = transforms.of_angles(nets.mlp(1, width=4, depth=1))
    >>> params = net.init(jax.random.key(0), jnp.zeros(1))
    >>> bool(jnp.allclose(net.apply(params, jnp.zeros(1)), net.apply(params, jnp.full(1, 2 * jnp.pi)), atol=1e-5))
    True
    """

    def features(x: jax.Array) -> jax.Array:
        return jnp.concatenate([jnp.cos(x), jnp.sin(x)])

    return Net(
        lambda key, x, *rest: net.init(key, features(x), *rest),
        lambda params, x, *rest: net.apply(params, features(x), *rest),
    )


def _on_circle(x: jax.Array) -> jax.Array:
    return (x >= -math.pi) & (x < math.pi)


def _wrap(x: jax.Array) -> jax.Array:
    wrapped = x - 2 * math.pi * jnp.floor((x + math.pi) / (2 * math.pi))
    # Rounding may land on pi itself, which is the same point as -pi.
    return jnp.where(wrapped >= math.pi, wrapped - 2 * math.pi, jnp.where(wrapped < -math.pi, wrapped + 2 * math.pi, wrapped))
