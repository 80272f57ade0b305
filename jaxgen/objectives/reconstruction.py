"""Least-squares reconstruction of a deterministic autoencoder, and the Gaussian fitted to its codes once training is over."""

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Finish, Objective, no_aux, require
from jaxgen.types import Aux, Key, Params


def reconstruction(model: Model, finish: Finish | None = None) -> Objective:
    """Minimise the squared error of `decode(encode(x))`, summed over coordinates and averaged over events.

    Args:
        model: A model whose transform has the parts `encode (params, x, cond)` and `decode (params, code, cond)`.
        finish: What is done to the params after training, such as `gaussian_of_codes(model)`; None leaves them.

    Returns:
        An objective whose metric is `squared_error`, the loss.

    Raises:
        PairingError: The transform lacks a part.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> halve = jaxgen.nets.Net(lambda key, x, cond: (), lambda params, x, cond=None: x[:1])
    >>> widen = jaxgen.nets.Net(lambda key, z, cond: (), lambda params, z, cond=None: jax.numpy.concatenate([z, 0 * z]))
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.autoencoder(widen, halve))
    >>> params = {"decoder": (), "encoder": ()}
    >>> loss, _ = reconstruction(model).loss(params, (), jax.random.key(0), Batch(jax.numpy.full((4, 2), 3.0)), Clock(0, 1, ()))
    >>> float(loss)  # The second coordinate, 3, is lost.
    9.0
    """
    require("reconstruction", model, frozenset({"encode", "decode"}))
    encode, decode = model.transform.parts["encode"], model.transform.parts["decode"]

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        decoded = jax.vmap(lambda x, c: decode(params, encode(params, x, cond=c), cond=c))(batch.x, batch.cond)
        error = jnp.mean(jnp.sum((batch.x - decoded) ** 2, tuple(range(1, batch.x.ndim))))
        return error, {"squared_error": error}

    return Objective(no_aux, loss, finish=finish, additive=True)


def gaussian_of_codes(model: Model) -> Finish:
    """Build the `finish` that fits the Gaussian in front of an autoencoder to the mean and covariance of the data's codes.

    Args:
        model: A model of the transform `chain(triangular_affine(), autoencoder)`, which has the part `encode (params, x, cond)`.

    Returns:
        `(params, aux, data) -> params` with the params of the affine replaced.

    Raises:
        PairingError: The transform lacks the part `encode`.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch
    >>> identity = jaxgen.nets.Net(lambda key, x, cond: (), lambda params, x, cond=None: x)
    >>> T = jaxgen.transforms
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), T.chain(T.triangular_affine(), T.autoencoder(identity, identity)))
    >>> params = (None, {"decoder": (), "encoder": ()})
    >>> affine = gaussian_of_codes(model)(params, (), Batch(jax.numpy.asarray([[1.0], [5.0]])))[0]
    >>> float(affine["loc"][0]), round(float(affine["tril"][0, 0]), 3)
    (3.0, 2.0)
    """
    require("gaussian_of_codes", model, frozenset({"encode"}))
    encode = model.transform.parts["encode"]

    def finish(params: Params, aux: Aux, data: Batch) -> Params:
        codes = jax.vmap(lambda x, c: encode(params, x, cond=c))(data.x, data.cond)
        centred = codes - jnp.mean(codes, 0, keepdims=True)
        # A little is added so that the factor exists for codes that lie in a subspace.
        covariance = centred.T @ centred / codes.shape[0] + 1e-6 * jnp.eye(codes.shape[1], dtype=codes.dtype)
        return ({"loc": jnp.mean(codes, 0), "tril": jnp.linalg.cholesky(covariance)}, *params[1:])

    return finish
