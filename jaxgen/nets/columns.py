"""The masked network for columns of several features each: a category enters as one-hot, a number as itself."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets.made import _MaskedDense
from jaxgen.nets.mlp import ACTIVATIONS, check
from jaxgen.nets.net import Net, from_linen


class _ColumnMADE(nn.Module):
    outputs_per_column: int
    features: tuple[int, ...]
    width: int
    depth: int
    activation: str

    @nn.compact
    def __call__(self, h: jax.Array, cond: jax.Array | None = None) -> jax.Array:
        d = len(self.features)
        # A unit of degree m sees columns 1..m; conditions have degree 0. Without a condition a unit of degree 0 would be a constant.
        degrees = np.repeat(np.arange(1, d + 1), self.features)
        if cond is not None:
            h = jnp.concatenate([h, cond.astype(h.dtype).ravel()])
            degrees = np.concatenate([degrees, np.zeros(cond.size, int)])
        lowest = 1 if cond is None and d > 1 else 0
        hidden = np.arange(self.width) % max(1, d - lowest) + lowest
        for _ in range(self.depth):
            h = ACTIVATIONS[self.activation](_MaskedDense(hidden[None, :] >= degrees[:, None])(h))
            degrees = hidden
        outputs = np.repeat(np.arange(1, d + 1), self.outputs_per_column)
        return _MaskedDense(outputs[None, :] > degrees[:, None], zero=True)(h).reshape(d, self.outputs_per_column)


def column_made(outputs_per_column: int, features: Sequence[int], *, width: int = 64, depth: int = 2, activation: str = "silu") -> Net:
    """`apply(params, h (sum(features),), cond (c,) or None) -> (len(features), outputs_per_column)` (arXiv 1502.03509).

    Column j is `features[j]` numbers of `h`, such as a one-hot category; row j depends on the columns before j and `cond` only. Starts at zero.
    """
    check(outputs_per_column, width, depth, activation)
    return from_linen(_ColumnMADE(outputs_per_column, tuple(features), width, depth, activation))
