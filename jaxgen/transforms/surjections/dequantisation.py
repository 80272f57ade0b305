"""Integers from continuous values by rounding down, and continuous values from integers by filling the unit cells."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.lifting import lifted
from jaxgen.transform import Density, Maps, Preimage, Transform, bijection, no_params, require_key
from jaxgen.transforms.surjections.contribution import as_vector, as_vectors, conditional, draw, within
from jaxgen.types import Cond, Event, Key, Noise, Params


def uniform_dequantisation(levels: int | None = None) -> Transform:
    """Build the surjection `x = floor(z)`, whose inverse fills the unit cell uniformly: `z = x + u` with u ~ U[0, 1).

    The contribution is `-log q(z | x) = 0`, because q is uniform on a cell of volume one. Since `log P(x)`, the log of the integral of p
    over the cell, is at least `E_u log p(x + u)`, this is in expectation a lower bound; it is tight if p is constant over each cell.

    Args:
        levels: How many values x takes, 0 ... levels - 1, as a pixel does: noise beyond goes to the nearest value, whose bound is still
            that of its cell alone. None allows all integers.

    Returns:
        A LOWER_BOUND transform of events of any shape, without params. An event that is not of integers has log density -inf.

    Raises:
        ValueError: `levels` is below 1, or `inverse` is called without a key.

    Source: arXiv 1511.01844, section 3.1; arXiv 2007.02731, table 2, rounding in the generative direction.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> transforms.uniform_dequantisation(4).forward((), jnp.asarray([-0.5, 2.7, 9.0])).tolist()
    [0.0, 2.0, 3.0]
    """
    if levels is not None:
        checks.count("uniform_dequantisation: levels", levels)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return jnp.floor(z) if levels is None else jnp.clip(jnp.floor(z), 0, levels - 1)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        key = require_key("uniform_dequantisation", key, "the place in the cell is drawn")
        u = jax.random.uniform(key, x.shape, x.dtype)
        whole = (x == jnp.floor(x)) if levels is None else (x == jnp.clip(jnp.floor(x), 0, levels - 1))
        return Preimage(fill_cell(x, u), within(whole, jnp.zeros((), x.dtype)), jnp.zeros((), x.dtype))

    return Transform(no_params, Maps(forward, inverse), Density.LOWER_BOUND)


def variational_dequantisation(q: Transform) -> Transform:
    """Round down, `x = floor(z)`, and let `inverse` fill the unit cell by a learned density: `z = x + sigmoid(v)` with v ~ q(v | x).

    The contribution is `-log q(z | x)` with `log q(z | x) = log q(v | x) - sum log sigmoid'(v)`. Nothing is lost if q is the model's own
    density within the cell.

    Args:
        q: An EXACT transform of standard Gaussian noise of the event's shape, with `forward_and_log_det`. Its condition is `(x, cond)` as
            one vector; `on_condition` rescales it.

    Returns:
        A LOWER_BOUND transform, with the params of `q`.

    Raises:
        ValueError: `q` is not such a transform.

    Source: flow++, arXiv 1902.00275, eq. 12; arXiv 2007.02731, table 2.

    >>> import jax.numpy as jnp, jaxgen
    >>> variational_dequantisation(jaxgen.transforms.affine(0.0, 1.0)).forward((), jnp.asarray([1.7, -0.2])).tolist()
    [1.0, -1.0]
    """
    q = conditional("variational_dequantisation", q)

    def lift(batched: bool, g: Maps) -> Maps:
        def inverse(params: Params, x: jax.Array, /, cond: Cond = None, key: Key | None = None) -> Preimage:
            key = require_key("variational_dequantisation", key)
            v, log_q = draw(g, params, key, x, as_vectors(batched)(x, cond), batched)
            axes = tuple(range(int(batched), x.ndim))
            log_slope = jnp.sum(jax.nn.log_sigmoid(v) + jax.nn.log_sigmoid(-v), axes)
            whole = jnp.all(x == jnp.floor(x), axes)
            return Preimage(fill_cell(x, jax.nn.sigmoid(v)), jnp.where(whole, jnp.zeros((), x.dtype), -jnp.inf), log_q - log_slope)

        return Maps(_floor, inverse)

    return lifted(
        lambda change: variational_dequantisation(change(q)),
        lift,
        lambda key, z, cond=None: q.init(key, z, as_vector(z, cond)),
        q,
        kind=Density.LOWER_BOUND,
    )


def rounding() -> Transform:
    """Build the map `x = event + place`, whose inverse rounds down: `event = floor(x)`.

    The noise is `{"event": integers, "place": in [0, 1)}`, both of the event's shape. The contribution `log p(x | event)` is the density
    of `place`, which the base, or a transform of that leaf, has already counted, so the log-determinant is zero. The density of x is a
    histogram with a shape inside each bin.

    Returns:
        An EXACT transform without params.

    Source: arXiv 2007.02731, table 2, rounding in the inference direction.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> z = transforms.rounding().inverse((), jnp.asarray(-1.25)).z
    >>> float(z["event"]), float(z["place"])
    (-2.0, 0.75)
    """

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        event = jnp.floor(x)
        return Preimage({"event": event, "place": x - event}, jnp.zeros((), x.dtype))

    return bijection(no_params, lambda params, z, cond=None: (z["event"] + z["place"], jnp.zeros((), z["event"].dtype)), inverse)


def _floor(params: Params, z: jax.Array, /, cond: Cond = None) -> jax.Array:
    return jnp.floor(z)


def fill_cell(x: jax.Array, u: jax.Array) -> jax.Array:
    """Return `floor(x) + u`, held below the next integer, to which the sum may round.

    Args:
        x: Numbers of any shape.
        u: Their places in the unit cells, in [0, 1).
    """
    low = jnp.floor(jax.lax.stop_gradient(x))
    # Just below zero lie subnormal numbers only, which are flushed to zero.
    last = jnp.where(low == -1, -jnp.finfo(x.dtype).tiny, jnp.nextafter(low + 1, low))
    return jnp.minimum(x + u, last)
