"""The monotone rational-quadratic spline with linear tails (neural spline flows, arXiv 1906.04032)."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.compiled import traced_once
from jaxgen.numerics import straight_clip
from jaxgen.transforms.scalars.bins import Bins, locate
from jaxgen.transforms.scalars.scalar import Scalar


def rational_quadratic(
    num_bins: int = 8, bound: float = 5.0, min_bin: float = 1e-3, min_slope: float = 1e-3, *, periodic: bool = False
) -> Scalar:
    """Build a monotone rational-quadratic spline on [-bound, bound] that is the identity outside.

    `theta = 0` is the identity everywhere. `inverse`, from data to noise, which training runs, is the direct formula (eqs. 4 and 5);
    `forward` is the root of a quadratic (eqs. 6 to 8). Both hold on the knots, in float32 too, and keep the interval.

    Args:
        num_bins: Number of bins, at least 2.
        bound: Half the length of the interval, in units of the event.
        min_bin: The least share of the interval that a bin's width or height has; `num_bins * min_bin` is below 1.
        min_slope: The least slope at a knot, in (0, 1).
        periodic: Whether both ends share one free slope, as on a circle, and the interval is half open. Otherwise the slope at
            the ends is 1.

    Returns:
        A Scalar with `3 num_bins - 1` parameters, or `3 num_bins` where `periodic`: raw widths, raw heights, raw slopes.

    Raises:
        ValueError: A number is outside the range above.

    Source: arXiv 1906.04032.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> spline = transforms.rational_quadratic(2, 5.0)
    >>> x, log_slope = spline.forward(jnp.asarray([-3.0, 3.0, 0.0, -1.0, -3.0]), jnp.asarray(2.0))
    >>> z, back = spline.inverse(jnp.asarray([-3.0, 3.0, 0.0, -1.0, -3.0]), x)
    >>> bool(jnp.abs(z - 2) < 1e-3), bool(jnp.abs(back + log_slope) < 1e-2)
    (True, True)
    """
    checks.count("rational_quadratic: num_bins", num_bins, 2)
    checks.number("rational_quadratic: bound", bound, above=0)
    checks.number("rational_quadratic: min_bin", min_bin, least=0)
    checks.number("rational_quadratic: min_slope", min_slope, above=0, below=1)
    if num_bins * min_bin >= 1:
        raise ValueError(f"rational_quadratic: min_bin={min_bin!r}; accepted: a number below 1 / num_bins = {1 / num_bins:g}.")
    bins = Bins(num_bins, bound, min_bin, min_slope, periodic)
    num_params = 3 * num_bins - (0 if periodic else 1)
    return Scalar(num_params, traced_once(functools.partial(_root, bins)), traced_once(functools.partial(_direct, bins)), elementwise=True)


def _direct(bins: Bins, theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """From data to noise, and the log slope (eqs. 4 and 5)."""
    inside = bins.holds(x)
    b = locate(bins, theta, jnp.where(inside, x, 0), False)
    # Rounded, a value in a bin may lie before or behind that bin's ends, where the slope can be zero or negative.
    xi = straight_clip(jnp.where(inside, (x - b.x) / b.width, 0.5), 0, 1)
    rise, log_slope = _rise(xi, b.height / b.width, b.left, b.right)
    return jnp.where(inside, bins.within(b.y + b.height * rise), x), jnp.where(inside, log_slope, 0)


def _root(bins: Bins, theta: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """From noise to data by the root of a quadratic, and the log slope (eqs. 6 to 8)."""
    inside = bins.holds(y)
    b = locate(bins, theta, jnp.where(inside, y, 0), True)
    s = b.height / b.width
    xi = _share(straight_clip(jnp.where(inside, (y - b.y) / b.height, 0.5), 0, 1), b.left / s, b.right / s)
    return jnp.where(inside, bins.within(b.x + xi * b.width), y), jnp.where(inside, -_rise(xi, s, b.left, b.right)[1], 0)


def _share(rise: jax.Array, left: jax.Array, right: jax.Array) -> jax.Array:
    """The share of a bin's width at which the share `rise` of its height is reached, for slopes in units of the bin's mean slope.

    The quadratic's coefficients are `a = 1 - b`, `b = left (1 - rise) + (2 - right) rise` and `c = -rise`, so its discriminant is a sum
    of squares. Both roots below are sums of positive terms: nothing cancels, and the result is in [0, 1] without a clip.
    """
    rest = 1 - rise
    tilt = left * rest - right * rise
    size = jnp.sqrt(tilt**2 + 4 * rise * rest) + jnp.abs(tilt)
    steep = tilt >= 0
    ahead = 2 * jnp.where(steep, rise, rest)
    return jnp.where(steep, ahead, size) / (ahead + size)


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
