"""The masked network for columns of several features each: a category enters as one-hot, a number as itself."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets.made import _hidden_degrees, _MaskedDense
from jaxgen.nets.mlp import ACTIVATIONS, check
from jaxgen.nets.net import Net, from_linen
from jaxgen.types import Cond


class _ColumnMADE(nn.Module):
    outputs_per_column: int
    features: tuple[int, ...]
    width: int
    depth: int
    activation: str

    @nn.compact
    def __call__(self, h: jax.Array, cond: Cond = None) -> jax.Array:
        d = len(self.features)
        # A unit of degree m sees columns 1..m; conditions have degree 0.
        degrees = np.repeat(np.arange(1, d + 1), self.features)
        if cond is not None:
            h = jnp.concatenate([h, cond.astype(h.dtype).ravel()])
            degrees = np.concatenate([degrees, np.zeros(cond.size, int)])
        hidden = _hidden_degrees(self.width, d, cond)
        for _ in range(self.depth):
            h = ACTIVATIONS[self.activation](_MaskedDense(hidden[None, :] >= degrees[:, None])(h))
            degrees = hidden
        outputs = np.repeat(np.arange(1, d + 1), self.outputs_per_column)
        # As in `made`: the numbers of one kind side by side.
        order = np.arange(outputs.size, dtype=np.uint32).reshape(d, -1).T.ravel()
        return _MaskedDense(outputs[None, :] > degrees[:, None], zero=True, order=order)(h).reshape(self.outputs_per_column, d).T


def column_made(outputs_per_column: int, features: Sequence[int], *, width: int = 64, depth: int = 2, activation: str = "silu") -> Net:
    """Build `made` for columns: `apply(params, h (sum(features),), cond (c,) or None) -> (len(features), outputs_per_column)`.

    Row j depends on the columns before j and on `cond` only. The network starts as the zero function.

    Args:
        outputs_per_column: The number of outputs of each column.
        features: How many numbers of `h` each column has, such as the categories of a one-hot one.
        width: Units of a hidden layer.
        depth: Hidden layers.
        activation: One of `ACTIVATIONS` in `jaxgen.nets.mlp`.

    Raises:
        ValueError: A size cannot be used, or `activation` is unknown.

    Source: arXiv 1502.03509.

    >>> net, h = column_made(2, (3, 1), width=4), jnp.asarray([0.0, 1.0, 0.0, 0.7])
    >>> net.apply(net.init(jax.random.key(0), h), h).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """
    check("column_made", activation, depth, outputs_per_column=outputs_per_column, width=width)
    return from_linen(_ColumnMADE(outputs_per_column, tuple(features), width, depth, activation))
