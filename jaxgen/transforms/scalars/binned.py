"""Bins with a place inside: from uniform noise to a coordinate whose distribution is piecewise constant with exponential tails."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.compiled import traced_once
from jaxgen.numerics import straight_clip
from jaxgen.transforms.scalars.scalar import Scalar, lookup


def binned(num_bins: int = 64, bound: float = 3.0, min_mass: float = 2e-5, sharpness: float = 5.0) -> Scalar:
    """Build a map from uniform noise to a density that is constant in bins of equal width on [-bound, bound], with exponential tails.

    A uniform `u` falls into the cell of one bin; its place inside the cell is the point's place inside the bin. The cell's volume is the
    bin's probability, so `log du/dx = log p_k + log density inside bin k`: the change of variables, exact. The outer two bins are the
    tails, so the support is R.

    Args:
        num_bins: Number of bins, the tails included, at least 3.
        bound: Half the length of the interval that the bins divide, in units of the event.
        min_mass: Probability shared equally by all bins, in (0, 1), which keeps cells wider than a rounding error.
        sharpness: Factor between `theta` and the logits of the bins.

    Returns:
        A Scalar with `num_bins` parameters, for noise in [0, 1).

    Raises:
        ValueError: A number is outside the range above.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> scalar = transforms.binned(4, 2.0)
    >>> scalar.forward(jnp.zeros(4), jnp.asarray(0.5))[0], scalar.inverse(jnp.zeros(4), jnp.asarray(0.5))[0]
    (Array(0., dtype=float32), Array(0.625, dtype=float32))
    """
    checks.count("binned: num_bins", num_bins, 3)
    checks.number("binned: bound", bound, above=0)
    checks.number("binned: min_mass", min_mass, above=0, below=1)
    checks.number("binned: sharpness", sharpness, above=0)
    width = 2 * bound / num_bins
    edges = np.linspace(-bound, bound, num_bins + 1)
    last, lower, upper = num_bins - 1, float(edges[1]), float(edges[-2])

    def cells(theta: jax.Array) -> tuple[jax.Array, jax.Array]:
        p = (1 - min_mass) * jax.nn.softmax(sharpness * theta) + min_mass / num_bins
        return p, jnp.concatenate([jnp.zeros((1,), p.dtype), jnp.cumsum(p)])

    def forward(theta: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
        p, c = cells(theta)
        k = jnp.sum(u >= c[1:-1])
        mass = lookup(p, k)
        r = straight_clip((u - lookup(c, k)) / mass, 0, 1)
        left = width * jnp.log(jnp.maximum(r, jnp.finfo(u.dtype).tiny))
        right = -width * jnp.log1p(-jnp.minimum(r, 1 - jnp.finfo(u.dtype).epsneg))
        inside = lookup(jnp.asarray(edges, u.dtype), k) + width * r
        x = jnp.where(k == 0, lower + left, jnp.where(k == last, upper + right, inside))
        return x, -inverse_log_slope(mass, k, x)

    def inverse_log_slope(mass: jax.Array, k: jax.Array, x: jax.Array) -> jax.Array:
        beyond = jnp.where(k == 0, x - lower, jnp.where(k == last, upper - x, 0))
        return jnp.log(mass / width) + beyond / width

    def inverse(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        p, c = cells(theta)
        k = jnp.sum(x >= jnp.asarray(edges[1:-1], x.dtype))
        mass = lookup(p, k)
        low, high = jnp.where(k == 0, x - lower, 0) / width, jnp.where(k == last, x - upper, 0) / width
        inside = (x - lookup(jnp.asarray(edges, x.dtype), k)) / width
        r = jnp.where(k == 0, jnp.exp(low), jnp.where(k == last, -jnp.expm1(-high), inside))
        u = jnp.clip(lookup(c, k) + mass * r, 0, 1 - jnp.finfo(x.dtype).epsneg)
        return u, inverse_log_slope(mass, k, x)

    return Scalar(num_bins, traced_once(forward), traced_once(inverse))
