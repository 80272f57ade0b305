"""A scalar bijector lifted to every coordinate of an event, with parameters of its own or from a network of the condition."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.scalars.scalar import Scalar


def elementwise(scalar: Scalar, net: Callable[[int], Net] | None = None) -> Transform:
    """`x_i = scalar(theta_i, z_i)` on events of any shape, each coordinate with parameters that no other coordinate enters.

    Without `net`, params are `theta` `(*event, scalar.num_params)`, zero at first, and a condition is not read. With it, `theta` is what
    `net(num_outputs)` makes of the condition; as in `coupling` its first input is a constant zero, and params are the network's.
    """

    def conditioner(z: jax.Array) -> Net:
        assert net is not None
        return net(z.size * scalar.num_params)

    def init(key: jax.Array, z: jax.Array, cond: Any = None) -> Any:
        if net is None:
            return jnp.zeros((*z.shape, scalar.num_params), z.dtype)
        return conditioner(z).init(key, jnp.zeros((1,), z.dtype), cond)

    def apply(function: Any, params: Any, x: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
        theta = params if net is None else conditioner(x).apply(params, jnp.zeros((1,), x.dtype), cond)
        y, log_det = jax.vmap(function)(theta.reshape(x.size, scalar.num_params), x.ravel())
        return y.reshape(x.shape), jnp.sum(log_det)

    return Transform(
        init,
        lambda params, z, cond=None: apply(scalar.forward, params, z, cond)[0],
        lambda params, x, cond=None, key=None: Preimage(*apply(scalar.inverse, params, x, cond)),
        lambda params, z, cond=None: apply(scalar.forward, params, z, cond),
        Density.EXACT,
        {"nfe": lambda params, z, cond=None: 0 if net is None else 1},
    )
