"""Affine maps without a network: a constant one in the units of the data, two learnable ones, and a reversal of the coordinates."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.transform import Preimage, Transform, bijection, no_params
from jaxgen.types import Cond, Event, Key, Noise, Params


def affine(loc: ArrayLike, scale: ArrayLike) -> Transform:
    """Build the constant affine map `x = loc + scale z`, elementwise and without params.

    As the last link of a chain it puts samples back into the units of the data, and the density counts the change of units.

    Args:
        loc: The shift, in the units of the data. It is broadcast to the event.
        scale: The factor, in units of the data for one unit of noise; no entry may be zero. It is broadcast to the event.

    Returns:
        An EXACT transform of events of any shape that `loc` and `scale` broadcast to.

    Raises:
        ValueError: `loc` or `scale` is not finite, or `scale` has a zero.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> x, log_det = transforms.affine(1.0, 2.0).forward_and_log_det((), jnp.ones(3))
    >>> x.tolist(), float(log_det)
    ([3.0, 3.0, 3.0], 2.079)
    """
    loc, scale = checks.numbers("affine: loc", loc), checks.numbers("affine: scale", scale)
    if not np.isfinite(loc).all():
        raise ValueError(f"affine: loc={loc.tolist()!r}; accepted: finite numbers.")
    if not (np.isfinite(scale).all() and np.all(scale != 0)):
        raise ValueError(f"affine: scale={scale.tolist()!r}; accepted: finite numbers without a zero.")

    def constants(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        shift, factor = (jnp.broadcast_to(jnp.asarray(c, x.dtype), x.shape) for c in (loc, scale))
        return shift, factor, jnp.sum(jnp.log(jnp.abs(factor)))

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        shift, factor, log_det = constants(z)
        return shift + factor * z, log_det

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        shift, factor, log_det = constants(x)
        return Preimage((x - shift) / factor, -log_det)

    return bijection(no_params, forward_and_log_det, inverse)


def diagonal_affine() -> Transform:
    """Build the learnable affine map `x = loc + exp(log_scale) z`, elementwise.

    Applied to standard normal noise it gives any Gaussian with a diagonal covariance matrix.

    Returns:
        An EXACT transform of events of any shape. Its params are `{"loc", "log_scale"}`, both of the event's shape and zero at first, so
        that it starts as the identity.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> f = transforms.diagonal_affine()
    >>> f.forward(f.init(jax.random.key(0), jnp.zeros(2)), jnp.asarray([0.5, 2.0])).tolist()
    [0.5, 2.0]
    """

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        return {"loc": jnp.zeros_like(z), "log_scale": jnp.zeros_like(z)}

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        return params["loc"] + jnp.exp(params["log_scale"]) * z, jnp.sum(params["log_scale"])

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        return Preimage((x - params["loc"]) * jnp.exp(-params["log_scale"]), -jnp.sum(params["log_scale"]))

    return bijection(init, forward_and_log_det, inverse)


def triangular_affine() -> Transform:
    """Build the learnable affine map `x = loc + L z` on events `(d,)`, with `L` lower triangular and its diagonal positive.

    Applied to standard normal noise it gives any Gaussian.

    Returns:
        An EXACT transform. Its params are `{"loc": (d,), "tril": (d, d)}`, the identity at first. `L` has the strict lower triangle of
        `tril` and the absolute values of its diagonal; the strict upper triangle is not read.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> params = {"loc": jnp.zeros(2), "tril": jnp.asarray([[2.0, 9.0], [1.0, -3.0]])}
    >>> transforms.triangular_affine().forward(params, jnp.ones(2)).tolist()
    [2.0, 4.0]
    """

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        return {"loc": jnp.zeros_like(z), "tril": jnp.eye(z.shape[0], dtype=z.dtype)}

    def matrix(params: Params) -> jax.Array:
        strict = jnp.tril(params["tril"], -1)
        return strict + jnp.diag(jnp.abs(jnp.diag(params["tril"])))

    def log_det(params: Params) -> jax.Array:
        return jnp.sum(jnp.log(jnp.abs(jnp.diag(params["tril"]))))

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        return params["loc"] + matrix(params) @ z, log_det(params)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        return Preimage(solve_triangular(matrix(params), x - params["loc"], lower=True), -log_det(params))

    return bijection(init, forward_and_log_det, inverse)


def flip() -> Transform:
    """Build the map that reverses the order of the coordinates of an event `(d,)`.

    Between two couplings or two autoregressive layers it lets every coordinate be mapped in turn.

    Returns:
        An EXACT transform without params, whose log-determinant is zero.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> transforms.flip().forward((), jnp.arange(3)).tolist()
    [2, 1, 0]
    """
    return bijection(
        no_params,
        lambda params, z, cond=None: (z[::-1], jnp.zeros((), z.dtype)),
        lambda params, x, cond=None, key=None: Preimage(x[::-1], jnp.zeros((), x.dtype)),
    )
