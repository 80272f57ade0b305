"""A bijection of one number lifted to every coordinate of an event."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.transform import Hooks, Preimage, Transform, bijection
from jaxgen.transforms.scalars.scalar import Scalar
from jaxgen.types import Cond, Event, Key, Noise, Params


def elementwise(scalar: Scalar, net: Callable[[int], Net] | None = None) -> Transform:
    """Build an elementwise transform `x_i = scalar(theta_i, z_i)`: no coordinate depends on another one.

    Args:
        scalar: The bijection of one number that maps each coordinate.
        net: `net(num_outputs)` returns the network that makes `theta` of the condition. As in `coupling` its first input is a constant
            zero `(1,)`. None learns `theta` itself and ignores a condition.

    Returns:
        An EXACT transform of events of any shape. Its params are the network's, or without `net` the array `theta`
        `(*event, scalar.num_params)`, zero at first.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> f = transforms.elementwise(transforms.scale_and_shift())
    >>> params = f.init(jax.random.key(0), jnp.zeros(2))
    >>> params.shape, f.forward(params.at[0, 0].set(5.0), jnp.zeros(2)).tolist()
    ((2, 2), [5.0, 0.0])
    """

    def conditioner(z: jax.Array) -> Net:
        assert net is not None
        return net(z.size * scalar.num_params)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        if net is None:
            return jnp.zeros((*z.shape, scalar.num_params), z.dtype)
        return conditioner(z).init(key, jnp.zeros((1,), z.dtype), cond)

    def apply(
        function: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]], params: Params, x: jax.Array, cond: Cond
    ) -> tuple[jax.Array, jax.Array]:
        theta = params if net is None else conditioner(x).apply(params, jnp.zeros((1,), x.dtype), cond)
        y, log_det = scalar.each(function)(theta.reshape(x.size, scalar.num_params), x.ravel())
        return y.reshape(x.shape), jnp.sum(log_det)

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        return apply(scalar.forward, params, z, cond)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        return Preimage(*apply(scalar.inverse, params, x, cond))

    return bijection(init, forward_and_log_det, inverse, hooks=Hooks(nfe=lambda params, z, cond=None: 0 if net is None else 1))
