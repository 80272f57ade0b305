"""A data set as a base: a flow from data to data starts at its rows."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxgen.bases.shapes import Size, size_of
from jaxgen.model import Base
from jaxgen.transform import ImplicitDensityError
from jaxgen.types import Key

LogDensity: TypeAlias = Callable[[jax.Array], jax.Array]
"""`value (..., *event) -> (...)`, a log density in nats."""


class _DataSet:
    def __init__(self, x: np.ndarray, log_density: LogDensity | None):
        self.x, self.log_density = x, log_density

    def sample(self, *, seed: Key, sample_shape: Size = ()) -> jax.Array:
        rows = jax.random.randint(seed, size_of(sample_shape), 0, len(self.x))
        return jnp.asarray(self.x, jnp.zeros(()).dtype)[rows]

    def log_prob(self, value: ArrayLike) -> jax.Array:
        if self.log_density is None:
            raise ImplicitDensityError(
                "data_set: log_density=None; accepted: the log density of the rows. A finite set of rows has no density, so neither has a "
                "flow that starts from it; to compare samples use sliced_w2 in jaxgen.evaluation."
            )
        return jnp.asarray(self.log_density(jnp.asarray(value)))


def data_set(x: ArrayLike, log_density: LogDensity | None = None) -> Base:
    """Build the base of a flow between two data sets: it draws rows of `x` uniformly, with replacement.

    Args:
        x: The rows `(n, *event)`. Draws have JAX's default dtype.
        log_density: `value (..., *event) -> (...)` in nats, the density from which the rows came, where it is known: a model on this
            base then has a density. None makes `log_prob` raise ImplicitDensityError.

    Raises:
        ValueError: `x` has no rows, or holds something else than finite numbers.

    >>> base = data_set([[0.0, 1.0], [0.0, 1.0]])
    >>> base.sample(seed=jax.random.key(0)).tolist()
    [0.0, 1.0]
    """
    rows = np.asarray(x)
    if rows.ndim < 1 or rows.shape[0] < 1 or not np.issubdtype(rows.dtype, np.number) or not np.isfinite(rows).all():
        raise ValueError(f"data_set: x of shape {rows.shape} and dtype {rows.dtype}; accepted: (n, *event), n >= 1, of finite numbers.")
    return _DataSet(rows, log_density)
