"""The monotone rational-quadratic spline with linear tails (neural spline flows, arXiv 1906.04032)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.transforms.scalars.scalar import Scalar, lookup


class _Bin(NamedTuple):
    x: jax.Array
    y: jax.Array
    width: jax.Array
    height: jax.Array
    left: jax.Array
    right: jax.Array


def rational_quadratic(
    num_bins: int = 8, bound: float = 5.0, min_bin: float = 1e-3, min_slope: float = 1e-3, *, periodic: bool = False
) -> Scalar:
    """A spline of `num_bins` bins on [-bound, bound], the identity outside; `theta = 0` is the identity everywhere.

    periodic: both ends share one free slope instead of the slope 1 of the tails, and the interval is half open, as on a circle.

    The direct formula (eqs. 4 and 5) serves `inverse`, from data to noise, which training runs; the quadratic's root (eqs. 6 to 8) `forward`.
    """
    if num_bins < 2 or bound <= 0 or num_bins * min_bin >= 1:
        raise ValueError(
            f"rational_quadratic(num_bins={num_bins}, bound={bound}, min_bin={min_bin}): num_bins >= 2, bound > 0, num_bins * min_bin < 1."
        )
    ones = np.tri(num_bins, dtype=np.float32)
    unit_slope = float(np.log(np.expm1(1 - min_slope)))

    def knots(raw: jax.Array) -> jax.Array:
        e = jnp.exp(raw - jax.lax.stop_gradient(jnp.max(raw)))
        cumulative = jnp.asarray(ones, raw.dtype) @ (min_bin + (1 - num_bins * min_bin) * e / jnp.sum(e))
        # The last knot is the bound by definition, not by a sum of rounded widths.
        inner = bound * (2 * cumulative[:-1] - 1)
        ends = jnp.full((1,), bound, raw.dtype)
        return jnp.concatenate([-ends, inner, ends])

    def locate(theta: jax.Array, value: jax.Array, by_height: bool) -> _Bin:
        xs, ys = knots(theta[:num_bins]), knots(theta[num_bins : 2 * num_bins])
        index = jnp.sum(value >= (ys if by_height else xs)[1:-1])
        slopes = theta[2 * num_bins :]
        # The outer slopes are 1, where the linear tails take over, or one number, where the ends meet.
        raw = jnp.concatenate([slopes, slopes[:1]]) if periodic else jnp.pad(slopes, 1)
        x, y = lookup(xs, index), lookup(ys, index)
        left, right = (min_slope + jax.nn.softplus(lookup(raw, i) + unit_slope) for i in (index, index + 1))
        return _Bin(x, y, lookup(xs, index + 1) - x, lookup(ys, index + 1) - y, left, right)

    def is_inside(value: jax.Array) -> jax.Array:
        return (value >= -bound) & (value < bound) if periodic else jnp.abs(value) < bound

    def log_slope(b: _Bin, xi: jax.Array) -> jax.Array:
        s, mix = b.height / b.width, xi * (1 - xi)
        bottom = s + (b.right + b.left - 2 * s) * mix
        return 2 * jnp.log(s) + jnp.log(b.right * xi**2 + 2 * s * mix + b.left * (1 - xi) ** 2) - 2 * jnp.log(bottom)

    def direct(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        inside = is_inside(x)
        b = locate(theta, jnp.where(inside, x, 0), False)
        xi = jnp.where(inside, (x - b.x) / b.width, 0.5)
        s, mix = b.height / b.width, xi * (1 - xi)
        y = b.y + b.height * (s * xi**2 + b.left * mix) / (s + (b.right + b.left - 2 * s) * mix)
        return jnp.where(inside, y, x), jnp.where(inside, log_slope(b, xi), 0)

    def root(theta: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        inside = is_inside(y)
        b = locate(theta, jnp.where(inside, y, 0), True)
        rise = jnp.where(inside, y - b.y, 0.5 * b.height)
        s = b.height / b.width
        curve = rise * (b.right + b.left - 2 * s)
        qa, qb, qc = b.height * (s - b.left) + curve, b.height * b.left - curve, -s * rise
        # This form of the root has no cancellation for b > 0. A clip to [0, 1] would halve the derivative on a knot.
        xi = 2 * qc / (-qb - jnp.sqrt(jnp.maximum(qb**2 - 4 * qa * qc, 0)))
        return jnp.where(inside, b.x + xi * b.width, y), jnp.where(inside, -log_slope(b, xi), 0)

    return Scalar(3 * num_bins - (0 if periodic else 1), root, direct)
