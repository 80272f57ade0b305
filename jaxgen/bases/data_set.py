"""A data set as a base: a flow from data to data starts at its rows."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.model import Base
from jaxgen.transform import ImplicitDensityError


class _DataSet:
    def __init__(self, x: np.ndarray, log_density: Callable[..., Any] | None):
        self.x, self.log_density = x, log_density

    def sample(self, *, seed: Any, sample_shape: Any = ()) -> jax.Array:
        rows = jax.random.randint(seed, tuple(np.atleast_1d(np.asarray(sample_shape, int)).tolist()), 0, len(self.x))
        return jnp.asarray(self.x, jnp.zeros(()).dtype)[rows]

    def log_prob(self, value: Any) -> jax.Array:
        if self.log_density is None:
            raise ImplicitDensityError(
                "bases.data_set: a finite set of rows has no density, so neither has a flow that starts from it. Give "
                "data_set(x, log_density=...) where the density of the rows is known; else compare samples: sliced_w2 in jaxgen.evaluation."
            )
        return jnp.asarray(self.log_density(jnp.asarray(value)))


def data_set(x: Any, log_density: Callable[..., Any] | None = None) -> Base:
    """The rows of `x` `(n, *event)`, drawn uniformly with replacement in JAX's default dtype: the source of a flow between two data sets.

    log_density: `(value (..., *event)) -> (...)` in nats, the density that the rows came from where it is known: a model on this base then
    has its own. Without it `log_prob` raises ImplicitDensityError. Raises ValueError unless `x` has rows, all of finite numbers.
    """
    rows = np.asarray(x)
    if rows.ndim < 1 or rows.shape[0] < 1 or not np.issubdtype(rows.dtype, np.number) or not np.isfinite(rows).all():
        raise ValueError(f"data_set: x of shape {rows.shape} and dtype {rows.dtype}; accepted: (n, *event), n >= 1, of finite numbers.")
    return _DataSet(rows, log_density)
