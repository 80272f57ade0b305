"""The monotone rational-quadratic spline with linear tails (neural spline flows, arXiv 1906.04032)."""

import functools
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.transforms.scalars.scalar import Scalar, lookup

# Bins up to which the search for a value's bin is written out; of more it compiles too long.
MOST_WRITTEN_OUT = 16


class _Bin(NamedTuple):
    x: jax.Array
    y: jax.Array
    width: jax.Array
    height: jax.Array
    left: jax.Array
    right: jax.Array


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


def rational_quadratic(
    num_bins: int = 8, bound: float = 5.0, min_bin: float = 1e-3, min_slope: float = 1e-3, *, periodic: bool = False
) -> Scalar:
    """A spline of `num_bins` bins on [-bound, bound], the identity outside; `theta = 0` is the identity everywhere.

    periodic: both ends share one free slope instead of the slope 1 of the tails, and the interval is half open, as on a circle.

    The direct formula (eqs. 4 and 5) serves `inverse`, from data to noise, which training runs; the quadratic's root (eqs. 6 to 8) `forward`.
    """
    checks.count("rational_quadratic: num_bins", num_bins, 2)
    checks.number("rational_quadratic: bound", bound, above=0)
    checks.number("rational_quadratic: min_bin", min_bin, least=0)
    checks.number("rational_quadratic: min_slope", min_slope, above=0, below=1)
    if num_bins * min_bin >= 1:
        raise ValueError(
            f"rational_quadratic(num_bins={num_bins}, bound={bound}, min_bin={min_bin}): num_bins >= 2, bound > 0, num_bins * min_bin < 1."
        )
    ones = np.tri(num_bins - 1, num_bins, dtype=np.float32)
    unit_slope = float(np.log(np.expm1(1 - min_slope)))

    def shares(raw: jax.Array) -> jax.Array:
        return min_bin + (1 - num_bins * min_bin) * jax.nn.softmax(raw, 0)

    @jax.custom_jvp
    def edges(raw: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
        share, k = shares(raw), _iota(raw)
        before = jnp.sum(jnp.where(k < index[None], share, 0), 0)
        return bound * (2 * before - 1), 2 * bound * jnp.sum(jnp.where(k == index[None], share, 0), 0)

    @edges.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        # By hand, from the softmax's own derivative: transposed, three products a bin, where the chain of look-ups, cumulative sum and
        # softmax writes an array a link. What it gains is not settled: `benchmarks/flows.py --only "rqs D64"` would tell.
        raw, index = primals
        p, k = jax.nn.softmax(raw, 0), _iota(raw)
        dp = p * tangents[0]
        total = jnp.sum(dp, 0)

        def change(chosen: jax.Array) -> jax.Array:
            return (
                2 * bound * (1 - num_bins * min_bin) * (jnp.sum(jnp.where(chosen, dp, 0), 0) - total * jnp.sum(jnp.where(chosen, p, 0), 0))
            )

        return edges(raw, index), (change(k < index[None]), change(k == index[None]))

    def slopes_of(raw_left: jax.Array, raw_right: jax.Array) -> tuple[jax.Array, jax.Array]:
        return min_slope + jax.nn.softplus(raw_left + unit_slope), min_slope + jax.nn.softplus(raw_right + unit_slope)

    def locate_by_table(theta: jax.Array, value: jax.Array, by_height: bool) -> _Bin:
        raw_x, raw_y, slopes = jnp.split(theta, [num_bins, 2 * num_bins])
        inner = jnp.tensordot(jnp.asarray(ones, theta.dtype), shares(jax.lax.stop_gradient(raw_y if by_height else raw_x)), 1)
        index = jnp.sum(value[None] >= bound * (2 * inner - 1), 0, dtype=jnp.int32)
        (x, width), (y, height) = edges(raw_x, index), edges(raw_y, index)
        # The outer slopes are 1, where the linear tails take over, or one number, where the ends meet; a look-up beside the table finds 0.
        sides = (index, (index + 1) % num_bins) if periodic else (index - 1, index)
        return _Bin(x, y, width, height, *slopes_of(*(lookup(slopes, i) for i in sides)))

    def knots(raw: jax.Array) -> tuple[list[jax.Array], list[jax.Array]]:
        """Lower edges and sizes of the bins."""
        top = functools.reduce(jnp.maximum, raw)
        parts = [jnp.exp(r - top) for r in raw]
        unit = (1 - num_bins * min_bin) / sum(parts)
        share = [min_bin + p * unit for p in parts]
        below = itertools.accumulate(share[:-1], initial=jnp.zeros_like(top))
        return [bound * (2 * b - 1) for b in below], [2 * bound * p for p in share]

    @functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
    def locate(theta: jax.Array, value: jax.Array, by_height: bool) -> _Bin:
        # Bin by bin all is one loop over the events that keeps no table: twice as fast. The derivative, written out so, compiles too long.
        if num_bins > MOST_WRITTEN_OUT:
            return locate_by_table(theta, value, by_height)
        (x, width), (y, height), slopes = knots(theta[:num_bins]), knots(theta[num_bins : 2 * num_bins]), list(theta[2 * num_bins :])
        flat = [] if periodic else [jnp.zeros_like(value)]
        columns = (x, y, width, height, flat + slopes, slopes[1:] + slopes[:1] if periodic else slopes + flat)
        found = [column[0] for column in columns]
        for k in range(1, num_bins):
            beyond = value >= (y if by_height else x)[k]
            found = [jnp.where(beyond, column[k], f) for column, f in zip(columns, found, strict=True)]
        x, y, width, height, low, high = found
        return _Bin(x, y, width, height, *slopes_of(low, high))

    @locate.defjvp
    def _(by_height: bool, primals: Any, tangents: Any) -> Any:
        # The bin of a value is no smooth function of it.
        return jax.jvp(lambda theta: locate_by_table(theta, primals[1], by_height), primals[:1], tangents[:1])

    def is_inside(value: jax.Array) -> jax.Array:
        return (value >= -bound) & (value < bound) if periodic else jnp.abs(value) < bound

    def direct(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        inside = is_inside(x)
        b = locate(theta, jnp.where(inside, x, 0), False)
        xi = jnp.where(inside, (x - b.x) / b.width, 0.5)
        rise, log_slope = _rise(xi, b.height / b.width, b.left, b.right)
        return jnp.where(inside, b.y + b.height * rise, x), jnp.where(inside, log_slope, 0)

    def root(theta: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        inside = is_inside(y)
        b = locate(theta, jnp.where(inside, y, 0), True)
        rise = jnp.where(inside, y - b.y, 0.5 * b.height)
        s = b.height / b.width
        curve = rise * (b.right + b.left - 2 * s)
        qa, qb, qc = b.height * (s - b.left) + curve, b.height * b.left - curve, -s * rise
        # This form of the root has no cancellation for b > 0. A clip to [0, 1] would halve the derivative on a knot.
        xi = 2 * qc / (-qb - jnp.sqrt(jnp.maximum(qb**2 - 4 * qa * qc, 0)))
        return jnp.where(inside, b.x + xi * b.width, y), jnp.where(inside, -_rise(xi, s, b.left, b.right)[1], 0)

    return Scalar(3 * num_bins - (0 if periodic else 1), root, direct, elementwise=True)


def _iota(table: jax.Array) -> jax.Array:
    return jax.lax.broadcasted_iota(jnp.int32, table.shape, 0)
