"""Integers from continuous values by rounding down, and continuous values from integers by filling the unit cells."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.surjections.contribution import conditional, draw, require_key, seen, within


def uniform_dequantisation(levels: int | None = None) -> Transform:
    """`x = floor(z)`; `inverse` fills the cell uniformly, `z = x + u` with u ~ U[0, 1) (arXiv 1511.01844, section 3.1).

    Rounding in the generative direction (arXiv 2007.02731, table 2): contribution `-log q(z | x)` with q uniform on
    `{x + u : 0 <= u < 1}`, that is 0. Since `log P(x) = log of the integral of p over the cell >= E_u log p(x + u)`, LOWER_BOUND; it is
    tight where p is constant over each cell. -inf for an event that is not of integers. No params.

    levels: x is one of 0 ... levels - 1, such as a pixel: what lies beyond goes to the nearest, whose bound is still that of its own cell.
    """
    if levels is not None:
        checks.count("uniform_dequantisation: levels", levels)

    def forward(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        return jnp.floor(z) if levels is None else jnp.clip(jnp.floor(z), 0, levels - 1)

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        u = jax.random.uniform(require_key("uniform_dequantisation", key), x.shape, x.dtype)
        whole = (x == jnp.floor(x)) if levels is None else (x == jnp.clip(jnp.floor(x), 0, levels - 1))
        return Preimage(_fill(x, u), within(whole, jnp.zeros((), x.dtype)), jnp.zeros((), x.dtype))

    return Transform(lambda key, z, cond=None: (), forward, inverse, None, Density.LOWER_BOUND)


def variational_dequantisation(q: Transform) -> Transform:
    """`x = floor(z)`; `inverse` fills the cell by a learned density, `z = x + sigmoid(v)` with v ~ q(v | x) (flow++, arXiv 1902.00275, eq. 12).

    `q` is an exact transform with `forward_and_log_det`, of standard Gaussian noise of the event's shape; its condition is `(x, cond)` as one
    vector (`on_condition` rescales it). Contribution `-log q(z | x)` (arXiv 2007.02731, table 2) with `log q(z | x) = log q(v | x) -
    sum log sigmoid'(v)`: LOWER_BOUND, with nothing lost where q is the model's own density within the cell. params: `q`'s.
    """
    q = conditional("variational_dequantisation", q)

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        v, log_q = draw(q, params, require_key("variational_dequantisation", key), x, seen(x, cond))
        log_slope = jnp.sum(jax.nn.log_sigmoid(v) + jax.nn.log_sigmoid(-v))
        return Preimage(_fill(x, jax.nn.sigmoid(v)), within(x == jnp.floor(x), jnp.zeros((), x.dtype)), log_q - log_slope)

    return Transform(lambda key, z, cond=None: q.init(key, z, seen(z, cond)), _floor, inverse, None, Density.LOWER_BOUND)


def rounding() -> Transform:
    """`x = event + place` from the noise `{"event": integers, "place": in [0, 1)}`, both of the event's shape.

    Rounding in the inference direction (arXiv 2007.02731, table 2): `inverse` is `event = floor(x)`, and the contribution `log p(x | event)` is
    the density of `place`, which the base (or a transform on that leaf) has already counted, so log_det = 0: EXACT. The density of x is a
    histogram with a shape inside each bin. No params.
    """

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        event = jnp.floor(x)
        return Preimage({"event": event, "place": x - event}, jnp.zeros((), x.dtype))

    return Transform(
        lambda key, z, cond=None: (),
        lambda params, z, cond=None: z["event"] + z["place"],
        inverse,
        lambda params, z, cond=None: (z["event"] + z["place"], jnp.zeros((), z["event"].dtype)),
        Density.EXACT,
    )


def _floor(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
    return jnp.floor(z)


def _fill(x: jax.Array, u: jax.Array) -> jax.Array:
    """`floor(x) + u`, kept below the next integer, to which the sum may round."""
    low = jnp.floor(jax.lax.stop_gradient(x))
    # Just below zero lie subnormal numbers only, which are flushed to zero.
    last = jnp.where(low == -1, -jnp.finfo(x.dtype).tiny, jnp.nextafter(low + 1, low))
    return jnp.minimum(x + u, last)
