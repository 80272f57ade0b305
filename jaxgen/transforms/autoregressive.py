"""The autoregressive transform: coordinate i is mapped with parameters that depend on the coordinates before it (arXiv 1705.07057)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets import Net
from jaxgen.transform import Density, Preimage, Transform, invert
from jaxgen.transforms.scalars.scalar import Scalar


def autoregressive(scalar: Scalar, net: Net) -> Transform:
    """`x_i = scalar(theta_i(x_<i, cond), z_i)` with all `theta` `(d, scalar.num_params)` from one masked network (`nets.made`).

    Events of any shape, such as images under `nets.causal_transformer` and `nets.pixelcnn`: their d numbers in raster order. The Jacobian is
    triangular, so the density is exact; `inverse` is one network evaluation. `forward` is as much work, spread over the coordinates in
    order, where the network has `substitute`, as these have, and d evaluations where it has not. With the scalar `categorical` of
    uniform noise `x` is discrete and log_det is log p(x), the log-volume of the cell of noises that maps to it; which of them stands for
    the cell does not matter (`inverse` gives the middle). params: the network's. `stages` shows the event after each coordinate: data so
    far, noise in the coordinates to come.
    """

    substitute = net.substitute or _by_whole_evaluations(net)

    def forward(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        x, log_dets = substitute(params, scalar.forward, z, cond)
        return x, jnp.sum(log_dets)

    def stages(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        done = np.tri(z.size, dtype=bool).reshape(z.size, *z.shape)
        return jnp.where(done, forward(params, z, cond)[0][None], z[None])

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        z, log_det = jax.vmap(scalar.inverse)(net.apply(params, x, cond), x.ravel())
        return Preimage(z.reshape(x.shape), jnp.sum(log_det))

    return Transform(
        lambda key, z, cond=None: net.init(key, z, cond),
        lambda params, z, cond=None: forward(params, z, cond)[0],
        inverse,
        forward,
        Density.EXACT,
        {"stages": stages, "nfe": lambda params, z, cond=None: z.size},
    )


def autoregressive_rows(scalar: Scalar, net: Net) -> Transform:
    """The same by rows: `x_i = scalar(theta_i(x_<i, cond), z_i)` for all k numbers of row i of an event `(n, k)` (arXiv 2412.06329, eq. 6).

    All `theta` `(n, k, scalar.num_params)` from one network with `substitute`, as `nets.causal_rows` has. The Jacobian is block triangular
    with diagonal blocks, so the density is exact. params: the network's.
    """
    if net.substitute is None:
        raise ValueError("autoregressive_rows: net without substitute; accepted: a network by rows that has it, such as nets.causal_rows.")
    substitute = net.substitute

    def row(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, log_dets = jax.vmap(scalar.forward)(theta, z)
        return x, jnp.sum(log_dets)

    def forward(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        x, log_dets = substitute(params, row, z, cond)
        return x, jnp.sum(log_dets)

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        z, log_det = jax.vmap(jax.vmap(scalar.inverse))(net.apply(params, x, cond), x)
        return Preimage(z, jnp.sum(log_det))

    return Transform(
        lambda key, z, cond=None: net.init(key, z, cond),
        lambda params, z, cond=None: forward(params, z, cond)[0],
        inverse,
        forward,
        Density.EXACT,
        {"nfe": lambda params, z, cond=None: z.shape[0]},
    )


def inverse_autoregressive(scalar: Scalar, net: Net) -> Transform:
    """`invert(autoregressive(scalar, net))`: samples in one network evaluation, densities in d of them (arXiv 1606.04934).

    Here `net` sees the noise: `z_i = scalar(theta_i(z_<i, cond), x_i)`. params: the network's.
    """
    return invert(autoregressive(scalar, net))._replace(parts={"nfe": lambda params, z, cond=None: 1})


def _by_whole_evaluations(net: Net) -> Any:
    def substitute(params: Any, f: Any, z: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
        def step(x: jax.Array, i: jax.Array) -> Any:
            theta = jax.lax.dynamic_index_in_dim(net.apply(params, x.reshape(z.shape), cond), i, keepdims=False)
            x_i, aux = f(theta, jax.lax.dynamic_index_in_dim(x, i, keepdims=False))
            return jax.lax.dynamic_update_index_in_dim(x, x_i, i, 0), aux

        # Coordinates from i on still hold the noise: the masks keep theta_i from seeing them.
        x, aux = jax.lax.scan(step, z.ravel(), jnp.arange(z.size))
        return x.reshape(z.shape), aux

    return substitute
