"""The coupling transform: half of the coordinates, unchanged, say how the other half is mapped (arXiv 1410.8516, 1605.08803)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.scalars.scalar import Scalar


def coupling(scalar: Scalar, net: Callable[[int], Net]) -> Transform:
    """The first `d // 2` coordinates pass; the rest go through `scalar` with parameters from `net(num_outputs)` of the first.

    One coordinate has nothing to be conditioned on, so for d = 1 the network sees a constant zero (and the condition). params: the network's.
    """

    def conditioner(d: int) -> Net:
        return net((d - d // 2) * scalar.num_params)

    def split(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        half = x.shape[0] // 2
        seen = x[:half] if half else jnp.zeros((1,), x.dtype)
        return x[:half], x[half:], seen

    def apply(function: Any, params: Any, x: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
        same, rest, seen = split(x)
        theta = conditioner(x.shape[0]).apply(params, seen, cond).reshape(rest.shape[0], scalar.num_params)
        y, log_det = jax.vmap(function)(theta, rest)
        return jnp.concatenate([same, y]), jnp.sum(log_det)

    return Transform(
        lambda key, z, cond=None: conditioner(z.shape[0]).init(key, split(z)[2], cond),
        lambda params, z, cond=None: apply(scalar.forward, params, z, cond)[0],
        lambda params, x, cond=None, key=None: Preimage(*apply(scalar.inverse, params, x, cond)),
        lambda params, z, cond=None: apply(scalar.forward, params, z, cond),
        Density.EXACT,
        {"nfe": lambda params, z, cond=None: 1},
    )
