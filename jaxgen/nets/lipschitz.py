"""A multilayer perceptron whose Lipschitz constant in its event is below a given bound at any value of its parameters."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets.net import Net, from_linen
from jaxgen.types import Cond

# tr((W^T W)^256)^(1/512) exceeds the largest singular value by a factor of at most rank^(1/512): 0.8 % at rank 64.
_SQUARINGS = 8


def lipschitz_mlp(out: int, *, width: int = 64, depth: int = 2, lipschitz: float = 0.9) -> Net:
    """Build a perceptron with a Lipschitz bound: `apply(params, x (d,), cond (c,) or None) -> (out,)`, which starts at zero.

    For all params, `|apply(x) - apply(y)| <= lipschitz |x - y|`. Each of the `depth + 1` kernels is divided by an upper bound of its
    spectral norm where that exceeds `lipschitz^(1 / (depth + 1))`, and the activation, LipSwish, has slopes of at most one. The condition
    enters the first layer without a constraint. The network is a pure function of params: there is no power iteration with a state.

    Args:
        out: The number of outputs.
        width: Units of a hidden layer.
        depth: Hidden layers.
        lipschitz: The bound, in (0, 1).

    Raises:
        ValueError: A size is below 1, or `lipschitz` is outside (0, 1).

    Source: arXiv 1906.02735, section 3.3.

    >>> net = lipschitz_mlp(2, width=4, depth=1, lipschitz=0.5)
    >>> params = jax.tree.map(lambda a: a + 10.0, net.init(jax.random.key(0), jnp.zeros(1)))
    >>> bool(jnp.linalg.norm(net.apply(params, jnp.ones(1)) - net.apply(params, jnp.zeros(1))) <= 0.5)
    True
    """
    checks.number("lipschitz_mlp: lipschitz", lipschitz, above=0, below=1)
    checks.counts("lipschitz_mlp", out=out, width=width, depth=depth)
    return from_linen(_LipschitzMLP(out, width, depth, lipschitz ** (1 / (depth + 1))))


@jax.jit
def spectral_bound(kernel: jax.Array) -> jax.Array:
    """Return an upper bound of the largest singular value of `kernel` `(n, m)`, larger by a factor of at most `min(n, m)^(1/512)`.

    The bound is the Schatten norm of order 512, by repeated squaring of the smaller Gram matrix. Unlike the largest singular value it is
    smooth where singular values meet. At a kernel of zeros the bound and its gradient are zero.

    >>> round(float(spectral_bound(jnp.diag(jnp.asarray([3.0, 1.0])))), 4)
    3.0
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
    def __call__(self, x: jax.Array, cond: Cond = None) -> jax.Array:
        h = x
        for layer in range(self.depth):
            h = _LipschitzDense(self.width, self.bound)(h)
            if layer == 0 and cond is not None:
                h = h + nn.Dense(self.width, use_bias=False)(cond.astype(x.dtype).ravel())
            h = _LipSwish()(h)
        return _LipschitzDense(self.out, self.bound, zero=True)(h)
