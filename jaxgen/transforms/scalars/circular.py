"""Splines on the circle: angles in [-pi, pi) to angles, with one slope where the ends meet (arXiv 2002.02428, sec. 3.2)."""

import math

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.transforms.scalars.scalar import Scalar
from jaxgen.transforms.scalars.spline import rational_quadratic


def circular_spline(num_bins: int = 8, phase: bool = True, min_bin: float = 1e-3, min_slope: float = 1e-3) -> Scalar:
    """A rational-quadratic spline on angles in [-pi, pi) whose two ends share a slope, and, if `phase`, a rotation after it.

    The spline alone keeps -pi in place; the rotation, the last of `theta`, is what lets it move. The density is continuous around the
    circle. Outside [-pi, pi) it is the identity: with a base that is uniform on that interval the density there is
    zero. `theta = 0` is the identity.
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

    return Scalar(spline.num_params + 1, forward, inverse)


def of_angles(net: Net) -> Net:
    """`net` fed with the cosine and sine of its first input `(d,)`, so that what it says of two angles 2 pi apart is the same."""

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
