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

    The Jacobian is triangular, so the density is exact; `inverse` is one network evaluation. `forward` is as much work, spread over the
    coordinates in order, where the network has `substitute`, as `nets.made` has, and d evaluations where it has not. params: the
    network's. `stages` shows the event after each coordinate: data so far, noise in the coordinates to come.
    """

    substitute = net.substitute or _by_whole_evaluations(net)

    def forward(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        x, log_dets = substitute(params, scalar.forward, z, cond)
        return x, jnp.sum(log_dets)

    def stages(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        done = np.tri(z.shape[0], dtype=bool)
        return jnp.where(done, forward(params, z, cond)[0][None], z[None])

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        z, log_det = jax.vmap(scalar.inverse)(net.apply(params, x, cond), x)
        return Preimage(z, jnp.sum(log_det))

    return Transform(
        lambda key, z, cond=None: net.init(key, z, cond),
        lambda params, z, cond=None: forward(params, z, cond)[0],
        inverse,
        forward,
        Density.EXACT,
        {"stages": stages, "nfe": lambda params, z, cond=None: z.shape[0]},
    )


def inverse_autoregressive(scalar: Scalar, net: Net) -> Transform:
    """`invert(autoregressive(scalar, net))`: samples in one network evaluation, densities in d of them (arXiv 1606.04934).

    Here `net` sees the noise: `z_i = scalar(theta_i(z_<i, cond), x_i)`. params: the network's.
    """
    return invert(autoregressive(scalar, net))._replace(parts={"nfe": lambda params, z, cond=None: 1})


def _by_whole_evaluations(net: Net) -> Any:
    def substitute(params: Any, f: Any, z: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
        def step(x: jax.Array, i: jax.Array) -> Any:
            theta = jax.lax.dynamic_index_in_dim(net.apply(params, x, cond), i, keepdims=False)
            x_i, aux = f(theta, jax.lax.dynamic_index_in_dim(x, i, keepdims=False))
            return jax.lax.dynamic_update_index_in_dim(x, x_i, i, 0), aux

        # Coordinates from i on still hold the noise: the masks keep theta_i from seeing them.
        return jax.lax.scan(step, z, jnp.arange(z.shape[0]))

    return substitute
