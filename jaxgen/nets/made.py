"""The masked autoencoder for distribution estimation (arXiv 1502.03509): output i sees inputs before i only."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets.mlp import ACTIVATIONS, check
from jaxgen.nets.net import Net, from_linen
from jaxgen.nets.substitution import substitute


class _MaskedDense(nn.Module):
    mask: Any
    zero: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
        kernel = self.param("kernel", init, self.mask.shape)
        bias = self.param("bias", nn.initializers.zeros, self.mask.shape[1:])
        return x @ jnp.where(self.mask, kernel, 0) + bias


class _MADE(nn.Module):
    outputs_per_input: int
    width: int
    depth: int
    activation: str

    @nn.compact
    def __call__(self, x: jax.Array, cond: jax.Array | None = None) -> jax.Array:
        d = x.shape[0]
        h = x if cond is None else jnp.concatenate([x, cond.astype(x.dtype).ravel()])
        # A unit of degree m sees inputs 1..m; conditions have degree 0.
        degrees = np.concatenate([np.arange(1, d + 1), np.zeros(h.shape[0] - d, int)])
        hidden = _hidden_degrees(self.width, d, cond)
        for _ in range(self.depth):
            h = ACTIVATIONS[self.activation](_MaskedDense(hidden[None, :] >= degrees[:, None])(h))
            degrees = hidden
        outputs = np.repeat(np.arange(1, d + 1), self.outputs_per_input)
        return _MaskedDense(outputs[None, :] > degrees[:, None], zero=True)(h).reshape(d, self.outputs_per_input)


def made(outputs_per_input: int, *, width: int = 64, depth: int = 2, activation: str = "silu") -> Net:
    """`apply(params, x (d,), cond (c,) or None) -> (d, outputs_per_input)`; row i depends on `x[:i]` and `cond` only. Starts at zero."""
    check(outputs_per_input, width, depth, activation)
    net = from_linen(_MADE(outputs_per_input, width, depth, activation))

    def by_substitution(params: Any, f: Any, z: jax.Array, cond: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        layers = [(p["kernel"], p["bias"]) for p in (params[f"_MaskedDense_{i}"] for i in range(depth + 1))]
        return substitute(layers, ACTIVATIONS[activation], _hidden_degrees(width, z.shape[0], cond), f, z, cond)

    return net._replace(substitute=by_substitution)


def _hidden_degrees(width: int, d: int, cond: jax.Array | None) -> np.ndarray:
    # Without a condition a unit of degree 0 would be a constant.
    lowest = 1 if cond is None and d > 1 else 0
    return np.arange(width) % max(1, d - lowest) + lowest
