"""Least-squares reconstruction of a deterministic autoencoder, and the Gaussian fitted to its codes once training is over."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, no_aux, require

NEEDS = frozenset({"encode", "decode"})


def reconstruction(model: Model, finish: Callable[..., Any] | None = None) -> Objective:
    """Minimise the mean squared error of `decode(encode(x))`, per event. Needs the parts `encode` and `decode`.

    Raises PairingError without them.
    """
    require("reconstruction", model, NEEDS)
    encode, decode = model.transform.parts["encode"], model.transform.parts["decode"]

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        again = jax.vmap(lambda x, c: decode(params, encode(params, x, c), c))(batch.x, batch.cond)
        error = jnp.mean(jnp.sum((batch.x - again) ** 2, tuple(range(1, batch.x.ndim))))
        return error, {"squared_error": error}

    return Objective(no_aux, loss, NEEDS, finish=finish)


def gaussian_of_codes(model: Model) -> Callable[[Any, Any, Batch], Any]:
    """`finish` for a chain `(triangular_affine, autoencoder)`: the affine becomes the Gaussian, mean and covariance, of the data's codes."""
    encode = model.transform.parts["encode"]

    def finish(params: Any, aux: Any, data: Batch) -> Any:
        codes = jax.vmap(lambda x, c: encode(params, x, c))(data.x, data.cond)
        centred = codes - jnp.mean(codes, 0, keepdims=True)
        covariance = centred.T @ centred / codes.shape[0] + 1e-6 * jnp.eye(codes.shape[1], dtype=codes.dtype)
        return ({"loc": jnp.mean(codes, 0), "tril": jnp.linalg.cholesky(covariance)}, *params[1:])

    return finish
