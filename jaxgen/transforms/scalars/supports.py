"""Scalars onto a half line and an interval: the bounded maps of `transforms/bounded.py` between two affine ones."""

import jax
import jax.numpy as jnp

from jaxgen.compiled import traced_once
from jaxgen.transform import Transform
from jaxgen.transforms.bounded import onto_interval, onto_positive
from jaxgen.transforms.scalars.scalar import Scalar


def above() -> Scalar:
    """Build `x = low + size softplus(shift + exp(log_scale) z)`, onto the numbers above `low`.

    For a size far above the data it is a shifted log-normal of Gaussian noise, and for a size far below them it is affine.

    Returns:
        A Scalar with the parameters shift, log_scale, low and log of the size.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> float(transforms.above().forward(jnp.asarray([0.0, 0.0, 5.0, 0.0]), jnp.asarray(-100.0))[0])
    5.0
    """
    return _between_affine(onto_positive())


def between() -> Scalar:
    """Build `x = low + size sigmoid(shift + exp(log_scale) z)`, onto the numbers from `low` to `low + size`.

    Returns:
        A Scalar with the parameters shift, log_scale, low and log of the size.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> float(transforms.between().forward(jnp.asarray([0.0, 0.0, 5.0, 0.0]), jnp.asarray(100.0))[0])
    6.0
    """
    return _between_affine(onto_interval())


def _between_affine(onto: Transform) -> Scalar:
    def forward(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        shift, log_scale, low, log_size = theta
        inner, log_det = onto.one.forward_and_log_det((), shift + jnp.exp(log_scale) * z)  # pyright: ignore[reportOptionalCall]
        return low + jnp.exp(log_size) * inner, log_scale + log_det + log_size

    def inverse(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        shift, log_scale, low, log_size = theta
        back = onto.one.inverse((), (x - low) * jnp.exp(-log_size))  # pyright: ignore[reportOptionalCall]
        return (back.z - shift) * jnp.exp(-log_scale), back.log_det - log_scale - log_size

    return Scalar(4, traced_once(forward), traced_once(inverse))
