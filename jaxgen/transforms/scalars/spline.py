"""The monotone rational-quadratic spline with linear tails (neural spline flows, arXiv 1906.04032)."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.transforms.scalars.bins import Bins, locate
from jaxgen.transforms.scalars.scalar import Scalar


def rational_quadratic(
    num_bins: int = 8, bound: float = 5.0, min_bin: float = 1e-3, min_slope: float = 1e-3, *, periodic: bool = False
) -> Scalar:
    """A spline of `num_bins` bins on [-bound, bound], the identity outside; `theta = 0` is the identity everywhere.

    periodic: both ends share one free slope instead of the slope 1 of the tails, and the interval is half open, as on a circle.

    The direct formula (eqs. 4 and 5) serves `inverse`, from data to noise, which training runs; the quadratic's root (eqs. 6 to 8) `forward`.
    Raises ValueError for fewer than two bins, a bound that is not positive, or least bins or slopes that leave no room.
    """
    checks.count("rational_quadratic: num_bins", num_bins, 2)
    checks.number("rational_quadratic: bound", bound, above=0)
    checks.number("rational_quadratic: min_bin", min_bin, least=0)
    checks.number("rational_quadratic: min_slope", min_slope, above=0, below=1)
    if num_bins * min_bin >= 1:
        raise ValueError(
            f"rational_quadratic(num_bins={num_bins}, bound={bound}, min_bin={min_bin}): num_bins >= 2, bound > 0, num_bins * min_bin < 1."
        )
    bins = Bins(num_bins, bound, min_bin, min_slope, periodic)
    num_params = 3 * num_bins - (0 if periodic else 1)
    return Scalar(num_params, functools.partial(_root, bins), functools.partial(_direct, bins), elementwise=True)


def _direct(bins: Bins, theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """From data to noise, and the log slope (eqs. 4 and 5)."""
    inside = bins.holds(x)
    b = locate(bins, theta, jnp.where(inside, x, 0), False)
    xi = jnp.where(inside, (x - b.x) / b.width, 0.5)
    rise, log_slope = _rise(xi, b.height / b.width, b.left, b.right)
    return jnp.where(inside, b.y + b.height * rise, x), jnp.where(inside, log_slope, 0)


def _root(bins: Bins, theta: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """From noise to data by the root of a quadratic, and the log slope (eqs. 6 to 8)."""
    inside = bins.holds(y)
    b = locate(bins, theta, jnp.where(inside, y, 0), True)
    rise = jnp.where(inside, y - b.y, 0.5 * b.height)
    s = b.height / b.width
    curve = rise * (b.right + b.left - 2 * s)
    qa, qb, qc = b.height * (s - b.left) + curve, b.height * b.left - curve, -s * rise
    # This form of the root has no cancellation for b > 0. A clip to [0, 1] would halve the derivative on a knot.
    xi = 2 * qc / (-qb - jnp.sqrt(jnp.maximum(qb**2 - 4 * qa * qc, 0)))
    return jnp.where(inside, b.x + xi * b.width, y), jnp.where(inside, -_rise(xi, s, b.left, b.right)[1], 0)


@jax.custom_jvp
def _rise(xi: jax.Array, s: jax.Array, left: jax.Array, right: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The share of a bin's height reached at the share `xi` of its width (eq. 4), and the log of the slope there (eq. 5).

    s: the bin's mean slope; left, right: the slopes at its ends.
    """
    mix = xi * (1 - xi)
    bottom = s + (right + left - 2 * s) * mix
    top = right * xi**2 + 2 * s * mix + left * (1 - xi) ** 2
    return (s * xi**2 + left * mix) / bottom, jnp.log(top) + 2 * jnp.log(s / bottom)


@_rise.defjvp
def _(primals: Any, tangents: Any) -> Any:
    # By hand: the partial derivatives share two reciprocals, and eight numbers a coordinate are kept for the transposed pass.
    xi, s, left, right = primals
    rest, turn = 1 - xi, 1 - 2 * xi
    mix, bend = xi * rest, right + left - 2 * s
    bottom, top = 1 / (s + bend * mix), 1 / (right * xi**2 + 2 * s * mix + left * rest**2)
    rise = (s * xi**2 + left * mix) * bottom
    by_rise = (
        (2 * s * xi + left * turn - rise * bend * turn) * bottom,
        (xi**2 - rise * (1 - 2 * mix)) * bottom,
        (1 - rise) * mix * bottom,
        -rise * mix * bottom,
    )
    by_log_slope = (
        2 * ((right * xi - left * rest + s * turn) * top - bend * turn * bottom),
        2 * (1 / s + mix * top - (1 - 2 * mix) * bottom),
        rest**2 * top - 2 * mix * bottom,
        xi**2 * top - 2 * mix * bottom,
    )
    out = rise, 2 * jnp.log(s * bottom) - jnp.log(top)
    return out, tuple(sum(a * t for a, t in zip(by, tangents, strict=True)) for by in (by_rise, by_log_slope))
