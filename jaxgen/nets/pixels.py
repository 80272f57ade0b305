"""What networks over the pixels of an image share: how codes enter, the checks of their sizes, and the dtype they compute in."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks

DTYPES = {"float32": None, "bfloat16": jnp.bfloat16}
"""None computes in the dtype of the event; parameters and outputs keep theirs in either."""


def compute_dtype(dtype: Any) -> Any:
    """What flax takes for the option `dtype`; ValueError for a name that is not among `DTYPES`."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r}; accepted: {', '.join(DTYPES)}.")
    return DTYPES[dtype]


def check_sizes(levels: Any, **sizes: Any) -> None:
    """ValueError naming the first of these that makes no network; two levels at least."""
    checks.count("levels", levels, 2)
    for name, value in sizes.items():
        checks.count(name, value)


def image_shape(x: jax.Array) -> tuple[int, int, int]:
    """`(height, width, channels)` of an event; ValueError for one that is no image."""
    if x.ndim != 3:
        raise ValueError(f"event of shape {x.shape}; accepted: (height, width, channels).")
    height, width, channels = x.shape
    return height, width, channels


def num_features(levels: int) -> int:
    """Into how many numbers a code is embedded."""
    return min(levels, 16)


def _table(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
    # Neighbouring codes are alike, which a network over many levels would have to learn.
    drawn = jax.random.normal(key, shape, dtype) / math.sqrt(shape[1])
    return drawn.at[:, 0].set(jnp.linspace(-1, 1, shape[0], dtype=dtype))


class Codes(nn.Module):
    """Codes `(*shape)` to `(*shape, num_features(levels))`, a row of a table each; zeros for a number that is no code."""

    levels: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        codes = jnp.arange(self.levels, dtype=x.dtype).reshape(*(1,) * x.ndim, -1)
        # A product with one-hot rows: the transpose of a look-up is a scatter.
        hot = (x[..., None] == codes).astype(self.dtype or x.dtype)
        return nn.Dense(num_features(self.levels), use_bias=False, dtype=self.dtype, kernel_init=_table)(hot)
