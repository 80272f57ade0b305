"""A trained model as the base of another: its samples are the noise, its exact density the noise's."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.model import Base, Model
from jaxgen.transform import Density, ImplicitDensityError


class _Pretrained:
    def __init__(self, model: Model, params: Any, cond: Any):
        self.model, self.params, self.cond = model, params, cond
        self.ndim = len(jax.eval_shape(self._one, jax.random.key(0)).shape)

    def sample(self, *, seed: Any, sample_shape: Any = ()) -> jax.Array:
        shape = tuple(np.atleast_1d(np.asarray(sample_shape, int)).tolist())
        drawn = jax.vmap(self._one)(jax.random.split(seed, int(np.prod(shape))))
        return drawn.reshape(*shape, *drawn.shape[1:])

    def log_prob(self, value: Any) -> jax.Array:
        value = jnp.asarray(value)
        leading = value.shape[: value.ndim - self.ndim]
        return jax.vmap(self._log_prob)(value.reshape(-1, *value.shape[len(leading) :])).reshape(leading)

    def _one(self, key: jax.Array) -> Any:
        return self.model.transform.forward(self.params, self.model.base.sample(seed=key), self.cond)

    def _log_prob(self, x: jax.Array) -> jax.Array:
        assert self.model.transform.inverse is not None
        pre = self.model.transform.inverse(self.params, x, self.cond)
        return self.model.base.log_prob(pre.z) + pre.log_det


def model(model: Model, params: Any, cond: Any = None) -> Base:
    """The distribution that `model` has at `params` (and at the one condition `cond`), as a base: its params are fixed from here on.

    Train another transform in front of it, or compose flows without touching the first. Events are arrays. Only an EXACT model has the
    density that a base must answer: raises ImplicitDensityError for an implicit one, ValueError for an estimate or a bound, whose keys a
    base has no place for (chain the two transforms instead, which keeps the bound a bound).
    """
    density = model.transform.density
    if density is Density.IMPLICIT:
        raise ImplicitDensityError("bases.model: this model's density is implicit; a base answers log_prob, so give one that is exact.")
    if density is not Density.EXACT or model.transform.inverse is None:
        raise ValueError(
            f"bases.model: this model's density is {density!s}; accepted: exact. Chain its transform with the other one instead: "
            "jaxgen.transforms.chain(f, g)."
        )
    return _Pretrained(model, params, cond)
