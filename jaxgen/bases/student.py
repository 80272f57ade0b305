"""Student's t noise, whose tails fall as a power: the base for heavy-tailed data."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import gammaln

from jaxgen.model import Base


class _Student:
    def __init__(self, shape: tuple[int, ...], df: float):
        self.shape, self.df = shape, df
        self.log_normaliser = float(gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * np.log(df * np.pi))

    def sample(self, *, seed: Any, sample_shape: Any = ()) -> jax.Array:
        return jax.random.t(seed, self.df, (*np.atleast_1d(np.asarray(sample_shape, int)).tolist(), *self.shape))

    def log_prob(self, value: Any) -> jax.Array:
        value = jnp.asarray(value)
        # Beyond sqrt(max / df) the square overflows; there log1p(v^2 / df) is 2 log|v| - log df to every digit.
        root = math.sqrt(self.df)
        far = jnp.abs(value) > 1e10 * root
        near = jnp.log1p(jnp.square(jnp.where(far, 0, value) / root))
        log = jnp.where(far, 2 * jnp.log(jnp.where(far, jnp.abs(value), root) / root), near)
        return jnp.sum(self.log_normaliser - 0.5 * (self.df + 1) * log, tuple(range(-len(self.shape), 0)))


def student_t(shape: Sequence[int], df: float) -> Base:
    """Independent standard Student t noise of shape `shape` with `df` > 0 degrees of freedom, fixed (arXiv 1907.04481, section 3.2).

    log density: `log Gamma((df + 1)/2) - log Gamma(df/2) - log(df pi)/2 - (df + 1)/2 log(1 + z^2 / df)`, finite for any finite z.
    Raises ValueError for a `df` that is not positive.
    """
    if not (isinstance(df, int | float) and math.isfinite(df) and df > 0):
        raise ValueError(f"student_t: df={df!r}; accepted: a finite number above 0.")
    return _Student(tuple(shape), float(df))
