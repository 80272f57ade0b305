"""Activation normalisation: one shift and scale a coordinate, set by the first batch so that its noise is standardised (arXiv 1807.03039)."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.transform import Density, Preimage, Transform

# A coordinate that is constant in the first batch is not blown up by more than this.
MIN_SCALE = 1e-3


def actnorm() -> Transform:
    """`x = loc + exp(log_scale) z`, elementwise on events of any shape; params `{"loc", "log_scale"}` of the event's shape.

    The identity at first. Its part `data_init` sets the mean and the standard deviation over a batch, and
    `jaxgen.objectives.data_initialised(objective, model)` runs that for a whole model before the fit.
    """

    def forward_and_log_det(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        return params["loc"] + jnp.exp(params["log_scale"]) * z, jnp.sum(params["log_scale"])

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        return Preimage((x - params["loc"]) * jnp.exp(-params["log_scale"]), -jnp.sum(params["log_scale"]))

    def data_init(params: Any, x: jax.Array, cond: Any = None, keys: Any = None) -> tuple[Any, jax.Array]:
        params = {"loc": jnp.mean(x, 0), "log_scale": jnp.log(jnp.maximum(jnp.std(x, 0), MIN_SCALE))}
        return params, jax.vmap(lambda x: inverse(params, x).z)(x)

    return Transform(
        lambda key, z, cond=None: {"loc": jnp.zeros_like(z), "log_scale": jnp.zeros_like(z)},
        lambda params, z, cond=None: forward_and_log_det(params, z)[0],
        inverse,
        forward_and_log_det,
        Density.EXACT,
        {"data_init": data_init},
    )
