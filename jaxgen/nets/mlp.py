"""Multilayer perceptrons on vectors, plain, with a time input, and with the two times of a step."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets.net import Net, from_linen


def silu(x: jax.Array) -> jax.Array:
    """`x sigmoid(x)`, by a hyperbolic tangent: of two rational functions and no exponential, where XLA's logistic has one and a division."""
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


class _MLP(nn.Module):
    out: int
    width: int
    depth: int
    activation: str
    zero_last: bool

    @nn.compact
    def __call__(self, x: jax.Array, cond: jax.Array | None = None) -> jax.Array:
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
    def __call__(self, x: jax.Array, t: jax.Array, cond: jax.Array | None = None) -> jax.Array:
        h = jnp.concatenate([x, time_features(t.astype(x.dtype), self.num_frequencies)])
        return _MLP(self.out, self.width, self.depth, self.activation, True)(h, cond)


class _TimesMLP(nn.Module):
    out: int
    width: int
    depth: int
    activation: str
    num_frequencies: int

    @nn.compact
    def __call__(self, x: jax.Array, t: jax.Array, s: jax.Array, cond: jax.Array | None = None) -> jax.Array:
        t, s = t.astype(x.dtype), s.astype(x.dtype)
        # The step left to go beside the time (arXiv 2505.13447, table 1c): what changes fastest is then an input of its own.
        h = jnp.concatenate([x, time_features(t, self.num_frequencies), time_features(s - t, self.num_frequencies)])
        return _MLP(self.out, self.width, self.depth, self.activation, True)(h, cond)


def time_features(t: jax.Array, num_frequencies: int) -> jax.Array:
    """`(1 + 2 num_frequencies,)`: t itself and Fourier pairs of it."""
    # Half-integer multiples of pi tell both ends of [0, 1] apart; a network in t alone resolves the fast change near the data too slowly.
    angles = t * jnp.pi * jnp.asarray([0.5 * 2**k for k in range(num_frequencies)], t.dtype)
    return jnp.concatenate([t[None], jnp.cos(angles), jnp.sin(angles)])


def mlp(out: int, *, width: int = 64, depth: int = 2, activation: str = "silu", zero_last: bool = False) -> Net:
    """`apply(params, x (d,), cond (c,) or None) -> (out,)` with `depth` hidden layers; `zero_last` starts at the zero function."""
    check(out, width, depth, activation)
    return from_linen(_MLP(out, width, depth, activation, zero_last))


def time_mlp(out: int, *, width: int = 64, depth: int = 3, activation: str = "silu", num_frequencies: int = 2) -> Net:
    """`apply(params, x (d,), t scalar, cond (c,) or None) -> (out,)`; t in [0, 1] enters with `num_frequencies` Fourier pairs.

    Raises ValueError for sizes it cannot use, or an unknown activation.
    """
    check(out, width, depth, activation)
    checks.count("num_frequencies", num_frequencies, 0)
    return from_linen(_TimeMLP(out, width, depth, activation, num_frequencies))


def times_mlp(out: int, *, width: int = 64, depth: int = 3, activation: str = "silu", num_frequencies: int = 2) -> Net:
    """`apply(params, x (d,), t scalar, s scalar, cond (c,) or None) -> (out,)`: `time_mlp` for a step from t to s, as t and s - t."""
    check(out, width, depth, activation)
    checks.count("num_frequencies", num_frequencies, 0)
    return from_linen(_TimesMLP(out, width, depth, activation, num_frequencies))


def check(out: Any, width: Any, depth: Any, activation: Any) -> None:
    """ValueError naming the first of these that makes no network."""
    checks.count("outputs", out)
    checks.count("width", width)
    checks.count("depth", depth, 0)
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation={activation!r}; accepted: {', '.join(ACTIVATIONS)}.")
