"""Multilayer perceptrons on vectors: plain, with a time input, and with the two times of a step."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets.net import Net, from_linen
from jaxgen.types import Cond


def silu(x: jax.Array) -> jax.Array:
    """Compute `x sigmoid(x)` by a hyperbolic tangent, a quotient of polynomials where XLA's logistic has an exponential and a division."""
    half = 0.5 * x
    return half + half * jnp.tanh(half)


ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "silu": silu,
    "gelu": nn.gelu,
    "tanh": jnp.tanh,
    "relu": nn.relu,
    "leaky_relu": nn.leaky_relu,
    "selu": nn.selu,
}
"""Names of activations that the networks take."""


class _MLP(nn.Module):
    out: int
    width: int
    depth: int
    activation: str
    zero_last: bool

    @nn.compact
    def __call__(self, x: jax.Array, cond: Cond = None) -> jax.Array:
        h = x if cond is None else jnp.concatenate([x, cond.astype(x.dtype).ravel()])
        for _ in range(self.depth):
            h = ACTIVATIONS[self.activation](nn.Dense(self.width)(h))
        last = nn.initializers.zeros if self.zero_last else nn.initializers.lecun_normal()
        return nn.Dense(self.out, kernel_init=last)(h)


class _TimeMLP(nn.Module):
    out: int
    width: int
    depth: int
    activation: str
    num_frequencies: int

    @nn.compact
    def __call__(self, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
        h = jnp.concatenate([x, time_features(t.astype(x.dtype), self.num_frequencies)])
        return _MLP(self.out, self.width, self.depth, self.activation, True)(h, cond)


class _TimesMLP(nn.Module):
    out: int
    width: int
    depth: int
    activation: str
    num_frequencies: int

    @nn.compact
    def __call__(self, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond = None) -> jax.Array:
        t, s = t.astype(x.dtype), s.astype(x.dtype)
        # The step left to go beside the time (arXiv 2505.13447, table 1c): what changes fastest is then an input by itself.
        h = jnp.concatenate([x, time_features(t, self.num_frequencies), time_features(s - t, self.num_frequencies)])
        return _MLP(self.out, self.width, self.depth, self.activation, True)(h, cond)


def time_features(t: jax.Array, num_frequencies: int) -> jax.Array:
    """Return features `(1 + 2 num_frequencies,)` of a time: t itself, then cosines and sines of `pi t 2^k / 2` for k = 0, 1, ...

    Args:
        t: A time in [0, 1], a scalar.
        num_frequencies: The number of pairs of a cosine and a sine.

    >>> time_features(jnp.asarray(1.0), 1).round(6).tolist()
    [1.0, -0.0, 1.0]
    """
    # The slowest pair tells both ends of [0, 1] apart; a network in t alone resolves the fast change near the data too slowly.
    angles = t * jnp.pi * jnp.asarray([0.5 * 2**k for k in range(num_frequencies)], t.dtype)
    return jnp.concatenate([t[None], jnp.cos(angles), jnp.sin(angles)])


def mlp(out: int, *, width: int = 64, depth: int = 2, activation: str = "silu", zero_last: bool = False) -> Net:
    """Build a multilayer perceptron `apply(params, x (d,), cond (c,) or None) -> (out,)`.

    Args:
        out: The number of outputs.
        width: Units of a hidden layer.
        depth: Hidden layers; 0 gives an affine map.
        activation: One of `ACTIVATIONS`.
        zero_last: Start as the zero function.

    Raises:
        ValueError: A size is not a positive integer (`depth` may be 0), or `activation` is unknown.

    >>> net = mlp(2, width=4, zero_last=True)
    >>> net.apply(net.init(jax.random.key(0), jnp.ones(3)), jnp.ones(3)).tolist()
    [0.0, 0.0]
    """
    check("mlp", activation, depth, out=out, width=width)
    return from_linen(_MLP(out, width, depth, activation, zero_last))


def time_mlp(out: int, *, width: int = 64, depth: int = 3, activation: str = "silu", num_frequencies: int = 2) -> Net:
    """Build a multilayer perceptron in time: `apply(params, x (d,), t, cond (c,) or None) -> (out,)`, which starts as the zero function.

    Args:
        out: The number of outputs.
        width: Units of a hidden layer.
        depth: Hidden layers.
        activation: One of `ACTIVATIONS`.
        num_frequencies: Fourier pairs with which the time t in [0, 1] enters (`time_features`).

    Raises:
        ValueError: A size cannot be used, or `activation` is unknown.

    >>> net, t = time_mlp(3, width=4), jnp.asarray(0.5)
    >>> net.apply(net.init(jax.random.key(0), jnp.ones(3), t), jnp.ones(3), t).tolist()
    [0.0, 0.0, 0.0]
    """
    check("time_mlp", activation, depth, out=out, width=width)
    checks.count("time_mlp: num_frequencies", num_frequencies, 0)
    return from_linen(_TimeMLP(out, width, depth, activation, num_frequencies))


def times_mlp(out: int, *, width: int = 64, depth: int = 3, activation: str = "silu", num_frequencies: int = 2) -> Net:
    """Build a multilayer perceptron for a step from time t to time s: `apply(params, x (d,), t, s, cond (c,) or None) -> (out,)`.

    The times enter as t and s - t. The network starts as the zero function.

    Args:
        out: The number of outputs.
        width: Units of a hidden layer.
        depth: Hidden layers.
        activation: One of `ACTIVATIONS`.
        num_frequencies: Fourier pairs of each time (`time_features`).

    Raises:
        ValueError: A size cannot be used, or `activation` is unknown.

    >>> net, t = times_mlp(3, width=4), jnp.asarray(0.5)
    >>> net.apply(net.init(jax.random.key(0), jnp.ones(3), t, t), jnp.ones(3), t, t).tolist()
    [0.0, 0.0, 0.0]
    """
    check("times_mlp", activation, depth, out=out, width=width)
    checks.count("times_mlp: num_frequencies", num_frequencies, 0)
    return from_linen(_TimesMLP(out, width, depth, activation, num_frequencies))


def check(where: str, activation: str, depth: int, **sizes: int) -> None:
    """Refuse an unknown activation or a size that is too small.

    Args:
        where: The name of the calling function, for the message.
        activation: The activation's name.
        depth: The number of hidden layers, at least 0.
        **sizes: Other sizes by name, at least 1 each.

    Raises:
        ValueError: The activation is unknown or a size is too small; the message names it.
    """
    checks.counts(where, **sizes)
    checks.count(f"{where}: depth", depth, 0)
    if activation not in ACTIVATIONS:
        raise ValueError(f"{where}: activation={activation!r}; accepted: {', '.join(ACTIVATIONS)}.")
