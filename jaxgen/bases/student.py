"""Student's t noise, whose tails fall as a power: the base for heavy-tailed data."""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betainc
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.bases.shapes import Size, size_of
from jaxgen.model import Base
from jaxgen.numerics import monotone_root
from jaxgen.types import Key, Shape


class _Student:
    def __init__(self, shape: Shape, df: float):
        # scipy takes a while to import, and few people have heavy tails.
        from scipy.special import gammaln

        self.shape, self.df = shape, df
        self.log_normaliser = float(gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * np.log(df * np.pi))

    def sample(self, *, seed: Key, sample_shape: Size = ()) -> jax.Array:
        return jax.random.t(seed, self.df, (*size_of(sample_shape), *self.shape))

    def log_prob(self, value: ArrayLike) -> jax.Array:
        value = jnp.asarray(value)
        # Beyond sqrt(max / df) the square overflows; there log1p(v^2 / df) is 2 log|v| - log df to every digit.
        root = math.sqrt(self.df)
        far = jnp.abs(value) > 1e10 * root
        near = jnp.log1p(jnp.square(jnp.where(far, 0, value) / root))
        log = jnp.where(far, 2 * jnp.log(jnp.where(far, jnp.abs(value), root) / root), near)
        return jnp.sum(self.log_normaliser - 0.5 * (self.df + 1) * log, tuple(range(-len(self.shape), 0)))

    def quantile(self, value: jax.Array) -> jax.Array:
        """Return noise whose law is this one if `value`, which has its shape, is uniform on (0, 1)."""
        size = jax.vmap(functools.partial(_root_of_odds, self.df))(jnp.ravel(value)).reshape(value.shape)
        return jnp.sign(value - 0.5) * math.sqrt(self.df) * size


def _root_of_odds(df: float, u: jax.Array) -> jax.Array:
    """Return `sqrt(t^2 / df)` of the number t at which the distribution function is u or 1 - u."""
    half, a = jnp.asarray(0.5, u.dtype), jnp.asarray(0.5 * df, u.dtype)
    tail = 2 * jnp.minimum(u, 1 - u)
    far = tail < 0.5

    # By the logarithm of the odds `t^2 / df`: the tail's mass where t is far, and the middle's where it is near, keep their digits.
    def mass(_: tuple[()], y: jax.Array) -> jax.Array:
        return jnp.where(far, -betainc(a, half, jax.nn.sigmoid(-y)), betainc(half, a, jax.nn.sigmoid(y)))

    return jnp.exp(0.5 * monotone_root(mass, (), jnp.where(far, -tail, 1 - tail), jnp.full_like(u, -60), jnp.full_like(u, 87)))


def student_t(shape: Sequence[int], df: float) -> Base:
    """Build independent standard Student t noise, whose log density is finite for every finite value.

    The log density of one number z is `log Gamma((df + 1)/2) - log Gamma(df/2) - log(df pi)/2 - (df + 1)/2 log(1 + z^2 / df)`.

    Args:
        shape: The shape of the noise.
        df: The degrees of freedom, above 0. They are fixed, not learned.

    Raises:
        ValueError: `df` is not a positive finite number.

    Source: arXiv 1907.04481, section 3.2.

    >>> round(float(student_t((1,), 1.0).log_prob(jnp.zeros(1))), 5) == round(-math.log(math.pi), 5)
    True
    """
    checks.number("student_t: df", df, above=0)
    return _Student(checks.shape("student_t: shape", shape), float(df))
