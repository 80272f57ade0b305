"""The masked autoencoder for distribution estimation (arXiv 1502.03509): output i reads the inputs before i only."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets.made_substitution import substitute
from jaxgen.nets.mlp import ACTIVATIONS, check
from jaxgen.nets.net import Net, Solve, from_linen
from jaxgen.types import Cond, Params


class _MaskedDense(nn.Module):
    mask: np.ndarray
    zero: bool = False
    order: np.ndarray | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
        kernel = jnp.where(self.mask, self.param("kernel", init, self.mask.shape), 0)
        bias = self.param("bias", nn.initializers.zeros, self.mask.shape[1:])
        return x @ kernel + bias if self.order is None else x @ kernel[:, self.order] + bias[self.order]


class _MADE(nn.Module):
    outputs_per_input: int
    width: int
    depth: int
    activation: str

    @nn.compact
    def __call__(self, x: jax.Array, cond: Cond = None) -> jax.Array:
        d = x.shape[0]
        h = x if cond is None else jnp.concatenate([x, cond.astype(x.dtype).ravel()])
        # A unit of degree m sees inputs 1..m; conditions have degree 0.
        degrees = np.concatenate([np.arange(1, d + 1), np.zeros(h.shape[0] - d, int)])
        hidden = _hidden_degrees(self.width, d, cond)
        for _ in range(self.depth):
            h = ACTIVATIONS[self.activation](_MaskedDense(hidden[None, :] >= degrees[:, None])(h))
            degrees = hidden
        outputs = np.repeat(np.arange(1, d + 1), self.outputs_per_input)
        # The numbers of one kind side by side, so that a bijector reads those of all inputs as a vector, and not one in so many.
        order = np.arange(outputs.size, dtype=np.uint32).reshape(d, -1).T.ravel()
        y = _MaskedDense(outputs[None, :] > degrees[:, None], zero=True, order=order)(h)
        y = y.reshape(self.outputs_per_input, d).T
        if reach := _reach(hidden, d):
            direct = self.param("direct", nn.initializers.zeros, (d, reach, self.outputs_per_input))
            y = y + jnp.einsum("ig,igo->io", _inputs_before(x, reach), direct)
        return y


def made(outputs_per_input: int, *, width: int = 64, depth: int = 2, activation: str = "silu") -> Net:
    """Build a masked network: `apply(params, x (d,), cond (c,) or None) -> (d, outputs_per_input)`, row i a function of `x[:i]` and `cond`.

    The last layer starts at zero. A layer of fewer than d - 1 units cannot carry every input to the very next output, so a network that
    narrow also has direct linear connections (section 4 of the paper) from the few inputs before an output that no unit carries to it:
    every row depends on all of `x[:i]`.

    Args:
        outputs_per_input: Numbers in a row of the output.
        width: Units of each hidden layer.
        depth: Number of hidden layers.
        activation: Name of the activation function, one of `jaxgen.nets.mlp.ACTIVATIONS`.

    Returns:
        A Net with `substitute`, which solves the rows in order at the cost of about one evaluation.

    Raises:
        ValueError: A count is below 1 or the activation is unknown.

    Source: arXiv 1502.03509.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets
    >>> net = nets.made(2, width=4, depth=1)
    >>> net.apply(net.init(jax.random.key(0), jnp.ones(3)), jnp.ones(3)).shape
    (3, 2)
    """
    check("made", activation, depth, outputs_per_input=outputs_per_input, width=width)
    net = from_linen(_MADE(outputs_per_input, width, depth, activation))

    def by_substitution(params: Params, f: Solve, z: jax.Array, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        layers = [(p["kernel"], p["bias"]) for p in (params[f"_MaskedDense_{i}"] for i in range(depth + 1))]
        degrees = _hidden_degrees(width, z.shape[0], cond)
        return substitute(layers, ACTIVATIONS[activation], degrees, f, z, cond, direct=params.get("direct"))

    return net._replace(substitute=by_substitution)


def _hidden_degrees(width: int, d: int, cond: Cond) -> np.ndarray:
    """The degree of each unit: all in turn, or, of more than there are units, some at equal distances."""
    # Without a condition a unit of degree 0 would be a constant.
    lowest = 1 if cond is None and d > 1 else 0
    num = max(1, d - lowest)
    return np.arange(width) % num + lowest if width >= num else lowest + np.arange(width) * num // width


def _reach(degrees: np.ndarray, d: int) -> int:
    """How many inputs right before an output reach it by no hidden unit, at most over the outputs; 0 if units carry all of them."""
    carried = np.maximum.accumulate(np.where(np.isin(np.arange(d), degrees), np.arange(d), 0))
    return int(np.max(np.arange(d) - carried))


def _inputs_before(x: jax.Array, reach: int) -> jax.Array:
    """The `reach` inputs before each of `x` `(d,)`, in order and with zeros before the first: `(d, reach)`."""
    padded = jnp.pad(x, (reach, 0))
    return jnp.stack([padded[g : g + x.shape[0]] for g in range(reach)], 1)
