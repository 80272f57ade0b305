"""A multilayer perceptron whose Lipschitz constant in its event is below a given bound at any value of its parameters."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets.net import Net, from_linen

# tr((W^T W)^256)^(1/512) exceeds the largest singular value by a factor of at most rank^(1/512): 0.8 % at rank 64.
_SQUARINGS = 8


def lipschitz_mlp(out: int, *, width: int = 64, depth: int = 2, lipschitz: float = 0.9) -> Net:
    """`apply(params, x (d,), cond (c,) or None) -> (out,)` with `|apply(x) - apply(y)| <= lipschitz |x - y|`; starts at zero.

    Each of the `depth + 1` kernels is divided by an upper bound of its spectral norm where that exceeds `lipschitz^(1 / (depth + 1))`, and
    the activations, LipSwish (arXiv 1906.02735, sec. 3.3), have slopes of at most one. The condition enters the first layer unconstrained.
    A pure function of params: no power iteration whose vectors would be a state, and none that has not converged.
    Raises ValueError for sizes it cannot use, or a `lipschitz` outside (0, 1).
    """
    if not 0 < lipschitz < 1:
        raise ValueError(f"lipschitz_mlp: lipschitz={lipschitz!r}; accepted: 0 < lipschitz < 1.")
    for name, size in (("outputs", out), ("width", width), ("depth", depth)):
        checks.count(f"lipschitz_mlp: {name}", size)
    return from_linen(_LipschitzMLP(out, width, depth, lipschitz ** (1 / (depth + 1))))


@jax.jit
def spectral_bound(kernel: jax.Array) -> jax.Array:
    """An upper bound of the largest singular value of `kernel` `(n, m)`, above it by a factor of at most `min(n, m)^(1/512)`.

    The Schatten norm of order 512, by repeated squaring of the smaller Gram matrix: unlike the largest singular value it is smooth, also
    where singular values meet. Zero, with a gradient of zero, at zero.
    """
    # Units of the largest entry, a constant to the gradient up to the product below, keep the Gram matrix in range.
    size = jnp.max(jnp.abs(kernel))
    size = jax.lax.stop_gradient(jnp.where(size > 0, size, 1))
    unit = kernel / size
    gram = unit @ unit.T if unit.shape[0] <= unit.shape[1] else unit.T @ unit
    trace = jnp.trace(gram)
    zero = trace == 0
    log_trace = jnp.log(jnp.where(zero, 1, trace))
    power = gram / jnp.where(zero, 1, trace)
    for _ in range(_SQUARINGS):
        power = power @ power
        trace = jnp.where(zero, 1, jnp.trace(power))
        power, log_trace = power / trace, 2 * log_trace + jnp.log(trace)
    return jnp.where(zero, 0, size * jnp.exp(log_trace / 2 ** (_SQUARINGS + 1)))


class _LipschitzDense(nn.Module):
    out: int
    bound: float
    zero: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
        kernel = self.param("kernel", init, (x.shape[0], self.out))
        bias = self.param("bias", nn.initializers.zeros, (self.out,))
        return x @ kernel / jnp.maximum(1, spectral_bound(kernel) / self.bound) + bias


class _LipSwish(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        sharpness = jax.nn.softplus(self.param("sharpness", nn.initializers.constant(0.5), ()))
        return x * jax.nn.sigmoid(sharpness * x) / 1.1


class _LipschitzMLP(nn.Module):
    out: int
    width: int
    depth: int
    bound: float

    @nn.compact
    def __call__(self, x: jax.Array, cond: Any = None) -> jax.Array:
        h = x
        for layer in range(self.depth):
            h = _LipschitzDense(self.width, self.bound)(h)
            if layer == 0 and cond is not None:
                h = h + nn.Dense(self.width, use_bias=False)(cond.astype(x.dtype).ravel())
            h = _LipSwish()(h)
        return _LipschitzDense(self.out, self.bound, zero=True)(h)
