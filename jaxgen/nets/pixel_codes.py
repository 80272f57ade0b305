"""How the codes of pixels enter an autoregressive network: as the rows of a table."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.types import DTypeLike, Key, Shape


def num_features(levels: int) -> int:
    """Return into how many numbers each of `levels` codes is embedded."""
    return min(levels, 16)


def _table(key: Key, shape: Shape, dtype: DTypeLike = jnp.float32) -> jax.Array:
    # Neighbouring codes are alike, which a network over many levels would have to learn.
    rows = jax.random.normal(key, shape, dtype) / math.sqrt(shape[1])
    return rows.at[:, 0].set(jnp.linspace(-1, 1, shape[0], dtype=dtype))


class Codes(nn.Module):
    """Embed codes `(*shape)` as `(*shape, num_features(levels))`, one row of a table each; a number that is no code becomes zeros."""

    levels: int
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        codes = jnp.arange(self.levels, dtype=x.dtype).reshape(*(1,) * x.ndim, -1)
        # A product with one-hot rows: the transpose of a look-up is a scatter.
        hot = (x[..., None] == codes).astype(self.dtype or x.dtype)
        return nn.Dense(num_features(self.levels), use_bias=False, dtype=self.dtype, kernel_init=_table)(hot)
