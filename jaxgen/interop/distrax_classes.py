"""The distrax classes behind the adapters, in a file of its own so that only who calls an adapter imports distrax."""

import math
from collections.abc import Callable
from typing import Any

import distrax
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.lifting import over_batch
from jaxgen.model import log_prob, sample, sample_and_log_prob
from jaxgen.types import Cond, Event, Key, Params, Shape


class Opaque:
    """Hide functions from distrax, which would flatten and rebuild their tuple, so that it would lose its identity."""

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


class ModelDistribution(distrax.Distribution):
    """A trained model at its parameters, as distrax sees it."""

    def __init__(self, static: Opaque, params: Params, cond: Cond):
        self._static, self._params, self._cond = static, params, cond

    @property
    def _batch(self) -> Shape:
        return () if self._cond is None else self._cond.shape[: self._cond.ndim - self._static.value[1]]

    def _conditions(self, leading: Shape) -> Cond:
        """One condition for each event, `(rows, *cond)`; `leading` are the leading axes of the events and ends with the batch shape."""
        if self._cond is None:
            return None
        one_condition_shape = self._cond.shape[len(self._batch) :]
        return jnp.broadcast_to(self._cond, (*leading, *one_condition_shape)).reshape(-1, *one_condition_shape)

    @property
    def event_shape(self) -> tuple[int, ...]:
        model = self._static.value[0]
        example = None if self._cond is None else jnp.zeros(self._cond.shape[len(self._batch) :], self._cond.dtype)
        return jax.eval_shape(lambda k: model.transform.forward(self._params, model.base.sample(seed=k), example), jax.random.key(0)).shape

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self._batch

    def _sample_n(self, key: Key, n: int) -> jax.Array:
        leading = (n, *self._batch)
        x = sample(key, self._static.value[0], self._params, math.prod(leading), self._conditions(leading))
        return x.reshape(*leading, *x.shape[1:])

    def _sample_n_and_log_prob(self, key: Key, n: int) -> tuple[jax.Array, jax.Array]:
        leading = (n, *self._batch)
        x, lp = sample_and_log_prob(key, self._static.value[0], self._params, math.prod(leading), self._conditions(leading))
        return x.reshape(*leading, *x.shape[1:]), lp.value.reshape(leading)

    def log_prob(self, value: Event) -> jax.Array:
        value, event = jnp.asarray(value), self.event_shape
        if value.shape[value.ndim - len(event) :] != event:
            raise ValueError(f"log_prob: value=array of shape {value.shape}; accepted: (..., {', '.join(map(str, event))}).")
        leading = np.broadcast_shapes(value.shape[: value.ndim - len(event)], self._batch)
        rows = jnp.broadcast_to(value, (*leading, *event)).reshape(-1, *event)
        return log_prob(self._static.value[0], self._params, rows, self._conditions(leading)).value.reshape(leading)


class TransformBijector(distrax.Bijector):
    """A transform at its parameters, as distrax sees it."""

    def __init__(self, static: Opaque, params: Params, cond: Cond, event_ndims: int):
        super().__init__(event_ndims_in=event_ndims)
        self._static, self._params, self._cond = static, params, cond

    def _over_rows(self, function: Callable[[Params, jax.Array, Cond], tuple[Any, Any]], x: Event) -> tuple[jax.Array, jax.Array]:
        x = jnp.asarray(x)
        leading, event = x.shape[: x.ndim - self.event_ndims_in], x.shape[x.ndim - self.event_ndims_in :]
        rows = x.reshape(math.prod(leading), *event)
        cond = None if self._cond is None else jnp.broadcast_to(self._cond, (rows.shape[0], *self._cond.shape))
        y, log_det = function(self._params, rows, cond)
        # A constant log-det comes without the batch's axis from a transform that is written for whole batches.
        return y.reshape(*leading, *y.shape[1:]), jnp.broadcast_to(log_det, rows.shape[:1]).reshape(leading)

    def forward_and_log_det(self, x: Event) -> tuple[jax.Array, jax.Array]:
        self._check_forward_input_shape(x)
        with_log_det = over_batch(self._static.value).forward_and_log_det
        assert with_log_det is not None
        return self._over_rows(with_log_det, x)

    def inverse_and_log_det(self, y: Event) -> tuple[jax.Array, jax.Array]:
        self._check_inverse_input_shape(y)
        inverse = over_batch(self._static.value).inverse
        assert inverse is not None
        return self._over_rows(lambda *args: inverse(*args)[:2], y)
