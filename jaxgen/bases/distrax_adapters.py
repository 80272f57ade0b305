"""Bridges to distrax: a trained model as a distribution, its bijectors as transforms and the other way round."""

import math
from collections.abc import Callable
from typing import Any

import distrax
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.model import Model, log_prob, sample, sample_and_log_prob
from jaxgen.transform import Density, Preimage, Transform, over_batch


def as_distribution(model: Model, params: Any, cond: Any = None, *, cond_ndims: int = 1) -> distrax.Distribution:
    """The model at `params` as a distrax distribution, to be sampled, evaluated, transformed or used as the base of another model.

    cond: None, or conditions `(*batch, *cond)` with `cond_ndims` trailing axes each, one distribution of the batch for each. `params` and
    `cond` are its arrays: it may be built inside `jit`, `grad` or `vmap` and passed through them. Raises ValueError unless the density is
    EXACT, as distrax has no key for an estimate, and the transform has an inverse.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(1.0, 2.0))
    >>> distribution = jaxgen.bases.as_distribution(model, ())
    >>> distribution.event_shape, distribution.sample(seed=jax.random.key(0), sample_shape=(5, 3)).shape
    ((2,), (5, 3, 2))
    """
    if model.transform.density is not Density.EXACT or over_batch(model.transform).inverse is None:
        have = "an" if model.transform.inverse is not None else "no"
        raise ValueError(f"as_distribution needs an exact density and an inverse; got density {model.transform.density}, {have} inverse.")
    return _ModelDistribution(_Opaque((model, cond_ndims)), params, None if cond is None else jnp.asarray(cond))


def from_distrax(bijector: Any, params: Any = None) -> Transform:
    """A distrax bijector as an EXACT transform; axes of the event beyond its `event_ndims_in` are mapped alike and their log-dets summed.

    bijector: anything `distrax.as_bijector` takes, a constant without params; or, with initial `params`, a function `params -> bijector`.
    An `x` outside the bijector's image (beyond a Tanh's interval, say), whose preimage is not finite, has log-det -inf and so density 0,
    with gradient zero, where distrax itself returns NaN; an `x` that is NaN stays so.

    >>> import distrax, jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.from_distrax(distrax.Tanh()))
    >>> jaxgen.log_prob(model, (), jax.numpy.asarray([[0.0, 0.5], [0.0, 1.5]])).value
    Array([-1.70...,  -inf], dtype=float32)
    """
    learnable = params is not None
    start = params if learnable else ()
    constant = None if learnable else distrax.as_bijector(bijector)

    def build(params: Any) -> distrax.Bijector:
        return constant if constant is not None else distrax.as_bijector(bijector(params))

    def forward_and_log_det(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        x, log_det = build(params).forward_and_log_det(z)
        return jnp.asarray(x), jnp.sum(log_det)

    def raw_inverse(params: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        z, log_det = build(params).inverse_and_log_det(x)
        return jnp.asarray(z), jnp.sum(log_det)

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        z, log_det = jax.lax.stop_gradient(raw_inverse(params, x))
        inside = jnp.all(jnp.isfinite(z)) & jnp.isfinite(log_det)
        # A point of the image takes the place of one outside, so that no NaN enters the gradient.
        inner = jax.lax.stop_gradient(build(params).forward(jnp.full(z.shape, 0.5, z.dtype)))
        z, log_det = raw_inverse(params, jnp.where(inside, x, inner))
        outside = jnp.where(jnp.any(jnp.isnan(x)), jnp.nan, -jnp.inf)
        return Preimage(z, jnp.where(inside, log_det, outside.astype(log_det.dtype)))

    return Transform(
        lambda key, z, cond=None: jax.tree.map(jnp.asarray, start),
        lambda params, z, cond=None: build(params).forward(z),
        inverse,
        forward_and_log_det,
        Density.EXACT,
    )


def to_distrax(transform: Transform, params: Any, cond: Any = None, *, event_ndims: int = 1) -> distrax.Bijector:
    """A transform at `params` as a distrax bijector over events of `event_ndims` axes, leading axes being batch; `cond` is one condition.

    Raises ValueError unless the transform is EXACT with `inverse` and `forward_and_log_det`.

    >>> import jax, jaxgen
    >>> bijector = jaxgen.transforms.to_distrax(jaxgen.transforms.affine(1.0, 2.0), ())
    >>> y, log_det = bijector.forward_and_log_det(jax.numpy.zeros((5, 3)))
    >>> y.shape, log_det.shape
    ((5, 3), (5,))
    """
    maps = over_batch(transform)
    if transform.density is not Density.EXACT or maps.inverse is None or maps.forward_and_log_det is None:
        raise ValueError(f"to_distrax needs an EXACT transform with inverse and forward_and_log_det; got density {transform.density}.")
    return _TransformBijector(_Opaque(transform), params, None if cond is None else jnp.asarray(cond), event_ndims)


class _Opaque:
    """Hides functions from the flattening of distrax, which would rebuild their tuple and so lose its identity."""

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Opaque) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


class _ModelDistribution(distrax.Distribution):
    def __init__(self, static: _Opaque, params: Any, cond: Any):
        self._static, self._params, self._cond = static, params, cond

    @property
    def _batch(self) -> tuple[int, ...]:
        return () if self._cond is None else self._cond.shape[: self._cond.ndim - self._static.value[1]]

    def _conditions(self, leading: tuple[int, ...]) -> Any:
        """One condition `(rows, *cond)` for each of the events with leading axes `leading`, of which the last are the batch's."""
        if self._cond is None:
            return None
        one = self._cond.shape[len(self._batch) :]
        return jnp.broadcast_to(self._cond, (*leading, *one)).reshape(-1, *one)

    @property
    def event_shape(self) -> tuple[int, ...]:
        model = self._static.value[0]
        one = None if self._cond is None else jnp.zeros(self._cond.shape[len(self._batch) :], self._cond.dtype)
        return jax.eval_shape(lambda k: model.transform.forward(self._params, model.base.sample(seed=k), one), jax.random.key(0)).shape

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self._batch

    def _sample_n(self, key: Any, n: Any) -> jax.Array:
        leading = (n, *self._batch)
        x = sample(key, self._static.value[0], self._params, math.prod(leading), self._conditions(leading))
        return x.reshape(*leading, *x.shape[1:])

    def _sample_n_and_log_prob(self, key: Any, n: Any) -> tuple[jax.Array, jax.Array]:
        leading = (n, *self._batch)
        x, lp = sample_and_log_prob(key, self._static.value[0], self._params, math.prod(leading), self._conditions(leading))
        return x.reshape(*leading, *x.shape[1:]), lp.value.reshape(leading)

    def log_prob(self, value: Any) -> jax.Array:
        value, event = jnp.asarray(value), self.event_shape
        if value.shape[value.ndim - len(event) :] != event:
            raise ValueError(f"log_prob: value has shape {value.shape}; expected (..., {', '.join(map(str, event))}).")
        leading = np.broadcast_shapes(value.shape[: value.ndim - len(event)], self._batch)
        rows = jnp.broadcast_to(value, (*leading, *event)).reshape(-1, *event)
        return log_prob(self._static.value[0], self._params, rows, self._conditions(leading)).value.reshape(leading)


class _TransformBijector(distrax.Bijector):
    def __init__(self, static: _Opaque, params: Any, cond: Any, event_ndims: int):
        super().__init__(event_ndims_in=event_ndims)
        self._static, self._params, self._cond = static, params, cond

    def _over_rows(self, function: Callable[..., tuple[Any, Any]], x: Any) -> tuple[jax.Array, jax.Array]:
        x = jnp.asarray(x)
        leading, event = x.shape[: x.ndim - self.event_ndims_in], x.shape[x.ndim - self.event_ndims_in :]
        rows = x.reshape(math.prod(leading), *event)
        cond = None if self._cond is None else jnp.broadcast_to(self._cond, (rows.shape[0], *self._cond.shape))
        y, log_det = function(self._params, rows, cond)
        # A constant log-det comes without the batch's axis from a transform that is written for whole batches.
        return y.reshape(*leading, *y.shape[1:]), jnp.broadcast_to(log_det, rows.shape[:1]).reshape(leading)

    def forward_and_log_det(self, x: Any) -> tuple[jax.Array, jax.Array]:
        self._check_forward_input_shape(x)
        with_log_det = over_batch(self._static.value).forward_and_log_det
        assert with_log_det is not None
        return self._over_rows(with_log_det, x)

    def inverse_and_log_det(self, y: Any) -> tuple[jax.Array, jax.Array]:
        self._check_inverse_input_shape(y)
        inverse = over_batch(self._static.value).inverse
        assert inverse is not None
        return self._over_rows(lambda *args: inverse(*args)[:2], y)
