"""A trained model as the base of another: its samples are the noise, and its exact density is the density of the noise."""

import math

import jax
import jax.numpy as jnp
from numpy.typing import ArrayLike

from jaxgen.bases.shapes import Size, size_of
from jaxgen.model import Base, Model
from jaxgen.transform import Density, ImplicitDensityError
from jaxgen.types import Cond, Key, Params


class _Pretrained:
    def __init__(self, model: Model, params: Params, cond: Cond):
        self.model, self.params, self.cond = model, params, cond
        self.ndim = len(jax.eval_shape(self._draw, jax.random.key(0)).shape)

    def sample(self, *, seed: Key, sample_shape: Size = ()) -> jax.Array:
        shape = size_of(sample_shape)
        events = jax.vmap(self._draw)(jax.random.split(seed, math.prod(shape)))
        return events.reshape(*shape, *events.shape[1:])

    def log_prob(self, value: ArrayLike) -> jax.Array:
        value = jnp.asarray(value)
        leading = value.shape[: value.ndim - self.ndim]
        return jax.vmap(self._log_prob)(value.reshape(-1, *value.shape[len(leading) :])).reshape(leading)

    def _draw(self, key: Key) -> jax.Array:
        return self.model.transform.forward(self.params, self.model.base.sample(seed=key), self.cond)

    def _log_prob(self, x: jax.Array) -> jax.Array:
        assert self.model.transform.inverse is not None
        pre = self.model.transform.inverse(self.params, x, self.cond)
        return self.model.base.log_prob(pre.z) + pre.log_det


def model(model: Model, params: Params, cond: Cond = None) -> Base:
    """Make a trained model the base of another one: its params are fixed from here on.

    Train another transform in front of it, or compose flows without changing the first. A base answers `log_prob` without a key, so the
    model's density must be exact; chain the two transforms instead where it is an estimate or a bound.

    Args:
        model: A model whose density is EXACT and whose events are arrays.
        params: The params of its transform.
        cond: The one condition at which it is taken, or None.

    Raises:
        ImplicitDensityError: The model has no density.
        ValueError: The model's density is an estimate or a bound.

    >>> from jaxgen import bases, transforms
    >>> base = bases.model(Model(bases.normal((2,)), transforms.affine([1.0, 1.0], 2.0)), ())
    >>> float(base.log_prob([1.0, 1.0]))
    -3.22417...
    """
    density = model.transform.kind
    if density is Density.IMPLICIT:
        raise ImplicitDensityError(f"bases.model: density={density!s}; accepted: exact, because a base answers log_prob.")
    if density is not Density.EXACT or model.transform.inverse is None:
        raise ValueError(
            f"bases.model: density={density!s}; accepted: exact. Chain the model's transform with the other one instead: "
            "jaxgen.transforms.chain(f, g)."
        )
    return _Pretrained(model, params, cond)
