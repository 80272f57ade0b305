"""Standard base distributions over arrays and dicts of arrays, built from distrax."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import distrax
import jax
import jax.numpy as jnp

from jaxgen.model import Base


class _Independent:
    """A product of equal distributions. distrax takes its constants' dtype from its parameters, so they are made in that of the value:
    else a float64 value would meet a logarithm rounded to float32.
    """

    def __init__(self, make: Callable[[jax.Array, jax.Array], Any], shape: Sequence[int], loc: float = 0.0, scale: float = 1.0):
        self.make, self.shape, self.loc, self.scale = make, tuple(shape), loc, scale

    def _of(self, dtype: Any) -> Any:
        made = self.make(jnp.full(self.shape, self.loc, dtype), jnp.full(self.shape, self.scale, dtype))
        return distrax.Independent(made, reinterpreted_batch_ndims=len(self.shape))

    def sample(self, *, seed: Any, sample_shape: Any = ()) -> jax.Array:
        """Draws in JAX's default dtype."""
        return self._of(jnp.zeros(()).dtype).sample(seed=seed, sample_shape=sample_shape)

    def log_prob(self, value: Any) -> jax.Array:
        """Log density in nats, in the value's own dtype."""
        value = jnp.asarray(value)
        return self._of(value.dtype).log_prob(value)


class _Joint:
    """Independent bases side by side, a dict of noise."""

    def __init__(self, bases: dict[str, Base]):
        self.bases = bases

    def sample(self, *, seed: Any, sample_shape: Any = ()) -> dict[str, jax.Array]:
        keys = jax.random.split(seed, len(self.bases))
        return {name: b.sample(seed=k, sample_shape=sample_shape) for (name, b), k in zip(self.bases.items(), keys, strict=True)}

    def log_prob(self, value: dict[str, jax.Array]) -> jax.Array:
        return sum((b.log_prob(value[name]) for name, b in self.bases.items()), jnp.zeros((), value[next(iter(value))].dtype))


def normal(shape: Sequence[int]) -> Base:
    """Standard Gaussian noise of shape `shape`."""
    return _Independent(distrax.Normal, shape)


def uniform(shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> Base:
    """Uniform noise on [low, high) of shape `shape`; the log density outside is -inf. ValueError unless low < high, both finite."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"uniform: low={low!r}, high={high!r}; accepted: finite numbers with low < high.")
    return _Independent(distrax.Uniform, shape, float(low), float(high))


def logistic(shape: Sequence[int]) -> Base:
    """Standard logistic noise of shape `shape`: the logit of a uniform, whose tails keep their precision."""
    return _Independent(distrax.Logistic, shape)


def latent_and_noise(latent: Sequence[int], event: Sequence[int]) -> Base:
    """The noise of a variational autoencoder: `{"latent", "noise"}`, both standard Gaussian."""
    return _Joint({"latent": normal(latent), "noise": normal(event)})


def diffusion_noise(event: Sequence[int], num_steps: int, *, areas: bool = False) -> Base:
    """The noise of a stochastic sampler: `{"x0": event, "increments": (num_steps, *event)}`, all standard Gaussian.

    areas: with a leaf "areas", shaped as the increments: what of each step's time integral the increment leaves open (space-time Levy areas).
    """
    steps = normal((num_steps, *event))
    return _Joint({"x0": normal(event), "increments": steps} | ({"areas": steps} if areas else {}))
