"""The bins of a monotone spline: their widths, heights and slopes, and the bin into which a value falls."""

import functools
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.numerics import straight_clip
from jaxgen.transforms.scalars.scalar import lookup

# Bins up to which the search for a value's bin is written out; of more it compiles too long.
MOST_WRITTEN_OUT = 16


class Bins(NamedTuple):
    """Describe `num_bins` bins on [-bound, bound] along both axes; numbers `theta` hold raw widths, raw heights and raw slopes at the knots.

    Attributes:
        num_bins: The number of bins.
        bound: Half the length of the interval.
        min_bin: The least share of the interval that a bin has.
        min_slope: The least slope at a knot.
        periodic: True if both ends share one free slope and the interval is half open. Otherwise the slopes at the ends are 1 and take no
            number of `theta`.
    """

    num_bins: int
    bound: float
    min_bin: float
    min_slope: float
    periodic: bool

    def holds(self, value: jax.Array) -> jax.Array:
        """Return whether `value` lies in the interval."""
        return (value >= -self.bound) & (value < self.bound) if self.periodic else jnp.abs(value) < self.bound

    def within(self, value: jax.Array) -> jax.Array:
        """Return `value` clipped to the interval, because rounding may carry a point of the first or last bin out of it."""
        last = np.nextafter(np.asarray(self.bound, value.dtype), np.asarray(0, value.dtype)) if self.periodic else self.bound
        return straight_clip(value, -self.bound, float(last))

    def shares(self, raw: jax.Array) -> jax.Array:
        """Return the bins' shares of the interval, `(num_bins, *shape)`."""
        return self.min_bin + (1 - self.num_bins * self.min_bin) * jax.nn.softmax(raw, 0)

    def slope(self, raw: jax.Array) -> jax.Array:
        """Return the slope at a knot, which is 1 at `raw = 0`."""
        return self.min_slope + jax.nn.softplus(raw + float(np.log(np.expm1(1 - self.min_slope))))


class Bin(NamedTuple):
    """Describe one bin; each number is shaped as the values that fall into it.

    Attributes:
        x: The left end.
        y: The lower end.
        width: The width.
        height: The height.
        left: The slope at the left end.
        right: The slope at the right end.
    """

    x: jax.Array
    y: jax.Array
    width: jax.Array
    height: jax.Array
    left: jax.Array
    right: jax.Array


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 3))
def locate(bins: Bins, theta: jax.Array, value: jax.Array, by_height: bool) -> Bin:
    """Return the bin of each value.

    Args:
        bins: The layout of the bins.
        theta: The numbers of each value's bins, `(num_params, *shape)`.
        value: The values `(*shape)`.
        by_height: True if the values are images y, False if they are arguments x.

    Returns:
        The bins, each number `(*shape)`.
    """
    # Bin by bin all is one loop over the events that keeps no table: twice as fast. The derivative, written out so, compiles too long.
    num = bins.num_bins
    if num > MOST_WRITTEN_OUT:
        return _by_table(bins, theta, value, by_height)
    (x, width), (y, height), slopes = _knots(bins, theta[:num]), _knots(bins, theta[num : 2 * num]), list(theta[2 * num :])
    flat = [] if bins.periodic else [jnp.zeros_like(value)]
    columns = (x, y, width, height, flat + slopes, slopes[1:] + slopes[:1] if bins.periodic else slopes + flat)
    found = [column[0] for column in columns]
    for k in range(1, num):
        beyond = value >= (y if by_height else x)[k]
        found = [jnp.where(beyond, column[k], f) for column, f in zip(columns, found, strict=True)]
    x, y, width, height, low, high = found
    return Bin(x, y, width, height, bins.slope(low), bins.slope(high))


@locate.defjvp
def _(bins: Bins, by_height: bool, primals: Any, tangents: Any) -> Any:
    # The bin of a value is no smooth function of it.
    return jax.jvp(lambda theta: _by_table(bins, theta, primals[1], by_height), primals[:1], tangents[:1])


def _knots(bins: Bins, raw: jax.Array) -> tuple[list[jax.Array], list[jax.Array]]:
    """Return the lower edges and the sizes of the bins."""
    top = functools.reduce(jnp.maximum, raw)
    parts = [jnp.exp(r - top) for r in raw]
    unit = (1 - bins.num_bins * bins.min_bin) / sum(parts)
    share = [bins.min_bin + p * unit for p in parts]
    below = itertools.accumulate(share[:-1], initial=jnp.zeros_like(top))
    return [bins.bound * (2 * b - 1) for b in below], [2 * bins.bound * p for p in share]


def _by_table(bins: Bins, theta: jax.Array, value: jax.Array, by_height: bool) -> Bin:
    num = bins.num_bins
    raw_x, raw_y, slopes = jnp.split(theta, [num, 2 * num])
    ones = jnp.asarray(np.tri(num - 1, num, dtype=np.float32), theta.dtype)
    inner = jnp.tensordot(ones, bins.shares(jax.lax.stop_gradient(raw_y if by_height else raw_x)), 1)
    index = jnp.sum(value[None] >= bins.bound * (2 * inner - 1), 0, dtype=jnp.int32)
    (x, width), (y, height) = _edges(bins, raw_x, index), _edges(bins, raw_y, index)
    # The outer slopes are 1, where the linear tails take over, or one number, where the ends meet; a look-up beside the table finds 0.
    low, high = (index, (index + 1) % num) if bins.periodic else (index - 1, index)
    left, right = lookup(slopes, low), lookup(slopes, high)
    return Bin(x, y, width, height, bins.slope(left), bins.slope(right))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _edges(bins: Bins, raw: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the lower edge and the size of the bin `index` `(*shape)`."""
    share, k = bins.shares(raw), _iota(raw)
    before = jnp.sum(jnp.where(k < index[None], share, 0), 0)
    return bins.bound * (2 * before - 1), 2 * bins.bound * jnp.sum(jnp.where(k == index[None], share, 0), 0)


@_edges.defjvp
def _(bins: Bins, primals: Any, tangents: Any) -> Any:
    # By hand, from the softmax's own derivative: transposed, three products a bin, where the chain of look-ups, cumulative sum and
    # softmax writes an array a link. What it gains is not settled: `benchmarks/flows.py --only "rqs D64"` would tell.
    raw, index = primals
    p, k = jax.nn.softmax(raw, 0), _iota(raw)
    dp = p * tangents[0]
    total = jnp.sum(dp, 0)

    def change(chosen: jax.Array) -> jax.Array:
        of_total = jnp.sum(jnp.where(chosen, dp, 0), 0) - total * jnp.sum(jnp.where(chosen, p, 0), 0)
        return 2 * bins.bound * (1 - bins.num_bins * bins.min_bin) * of_total

    return _edges(bins, raw, index), (change(k < index[None]), change(k == index[None]))


def _iota(table: jax.Array) -> jax.Array:
    return jax.lax.broadcasted_iota(jnp.int32, table.shape, 0)
