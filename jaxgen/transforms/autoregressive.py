"""Autoregressive transforms: each coordinate, or each row, is mapped with parameters that depend on what comes before it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.combinators import invert
from jaxgen.nets import Net
from jaxgen.transform import Hooks, Init, Preimage, Transform, bijection
from jaxgen.transforms.scalars.scalar import Scalar
from jaxgen.types import Cond, Event, Key, Noise, Params

ScalarMap = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
"""`(theta, z) -> (x, log dx/dz)` for one number, or for one row of numbers with the slopes summed."""

Substitute = Callable[[Params, ScalarMap, jax.Array, Cond], tuple[jax.Array, jax.Array]]
"""Forward substitution, as `Net.substitute` states it."""


def autoregressive(scalar: Scalar, net: Net) -> Transform:
    """Build an autoregressive transform: coordinate i is mapped with parameters that depend on the coordinates before it.

    `x_i = scalar(theta_i(x_<i, cond), z_i)`, and one masked network gives all `theta`. The Jacobian is triangular, so the density is exact.
    `inverse` is one network evaluation. `forward` goes through the coordinates in order: it costs about as much if the network has
    `substitute`, and d network evaluations otherwise.

    With the scalar `categorical` and uniform noise `x` is discrete, and its log-determinant is log p(x), the log-volume of the cell of
    noise that maps to `x`. Any point of the cell stands for it; `inverse` returns the middle.

    Args:
        scalar: The bijection of one number that maps each coordinate.
        net: A masked network from events to `(d, scalar.num_params)` such as `nets.made`, `nets.causal_transformer` or `nets.pixelcnn`.
            The d numbers of an event of another shape, such as an image, are taken in raster order.

    Returns:
        An EXACT transform of events of any shape whose params are the network's. Its stages show the event after each coordinate: data
        for the coordinates mapped so far, noise for the others.

    Source: arXiv 1705.07057, equation 3.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> f = transforms.autoregressive(transforms.scale_and_shift(), nets.made(2, width=4, depth=1))
    >>> params = f.init(jax.random.key(0), jnp.zeros(3))
    >>> f.inverse(params, f.forward(params, jnp.arange(3.0))).z.tolist()
    [0.0, 1.0, 2.0]
    """
    substitute = net.substitute or _by_whole_evaluations(net)

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        x, log_dets = substitute(params, scalar.forward, z, cond)
        return x, jnp.sum(log_dets)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        z, log_det = scalar.each(scalar.inverse)(net.apply(params, x, cond), x.ravel())
        return Preimage(z.reshape(x.shape), jnp.sum(log_det))

    def stages(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        mapped = np.tri(z.size, dtype=bool).reshape(z.size, *z.shape)
        return jnp.where(mapped, forward_and_log_det(params, z, cond)[0][None], z[None])

    hooks = Hooks(stages, nfe=lambda params, z, cond=None: z.size)
    return bijection(_init(net), forward_and_log_det, inverse, hooks=hooks)


def autoregressive_rows(scalar: Scalar, net: Net) -> Transform:
    """Build an autoregressive transform by rows: all k numbers of row i depend on the rows before it.

    `x_i = scalar(theta_i(x_<i, cond), z_i)` for every number of row i. The Jacobian is block triangular with diagonal blocks, so the
    density is exact.

    Args:
        scalar: The bijection of one number that maps each number.
        net: A network from events `(n, k)` to `(n, k, scalar.num_params)` that has `substitute`, such as `nets.causal_row_transformer`.

    Returns:
        An EXACT transform of events `(n, k)` whose params are the network's. Its number of function evaluations is n.

    Raises:
        ValueError: `net` has no `substitute`.

    Source: arXiv 2412.06329, equation 6.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> net = nets.causal_row_transformer(2, width=4, depth=1, num_heads=1)
    >>> f = transforms.autoregressive_rows(transforms.scale_and_shift(), net)
    >>> z = jnp.ones((3, 2))
    >>> params = f.init(jax.random.key(0), z)
    >>> f.inverse(params, z).z.shape, f.hooks.nfe(params, z)
    ((3, 2), 3)
    """
    if net.substitute is None:
        raise ValueError(
            "autoregressive_rows: net.substitute=None; accepted: a network by rows with `substitute`, such as nets.causal_row_transformer."
        )
    substitute = net.substitute

    def row(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, log_dets = scalar.each(scalar.forward)(theta, z)
        return x, jnp.sum(log_dets)

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        x, log_dets = substitute(params, row, z, cond)
        return x, jnp.sum(log_dets)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        z, log_det = scalar.each(scalar.inverse)(net.apply(params, x, cond), x)
        return Preimage(z, jnp.sum(log_det))

    hooks = Hooks(nfe=lambda params, z, cond=None: z.shape[0])
    return bijection(_init(net), forward_and_log_det, inverse, hooks=hooks)


def inverse_autoregressive(scalar: Scalar, net: Net) -> Transform:
    """Build the inverse of an autoregressive transform: it samples in one network evaluation and gives densities in d of them.

    The network reads the noise: `z_i = scalar(theta_i(z_<i, cond), x_i)`.

    Args:
        scalar: The bijection of one number that maps each coordinate from data to noise.
        net: A masked network, as for `autoregressive`.

    Returns:
        `invert(autoregressive(scalar, net))` with its number of function evaluations, 1.

    Source: arXiv 1606.04934, section 3.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> f = transforms.inverse_autoregressive(transforms.scale_and_shift(), nets.made(2, width=4, depth=1))
    >>> params = f.init(jax.random.key(0), jnp.zeros(2))
    >>> f.forward(params, jnp.ones(2)).tolist(), f.hooks.nfe(params, jnp.ones(2))
    ([1.0, 1.0], 1)
    """
    inverted = invert(autoregressive(scalar, net))
    return inverted._replace(hooks=inverted.hooks._replace(nfe=lambda params, z, cond=None: 1))


def _init(net: Net) -> Init:
    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        return net.init(key, z, cond)

    return init


def _by_whole_evaluations(net: Net) -> Substitute:
    def substitute(params: Params, f: ScalarMap, z: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array]:
        def step(x: jax.Array, i: jax.Array) -> tuple[jax.Array, jax.Array]:
            theta = jax.lax.dynamic_index_in_dim(net.apply(params, x.reshape(z.shape), cond), i, keepdims=False)
            x_i, aux = f(theta, jax.lax.dynamic_index_in_dim(x, i, keepdims=False))
            return jax.lax.dynamic_update_index_in_dim(x, x_i, i, 0), aux

        # Coordinates from i on still hold the noise, which the masks keep from theta_i.
        x, aux = jax.lax.scan(step, z.ravel(), jnp.arange(z.size))
        return x.reshape(z.shape), aux

    return substitute
