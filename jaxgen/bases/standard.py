"""Standard base distributions over arrays and dicts of arrays, built from distrax."""

import math
from collections.abc import Sequence
from typing import Any

import distrax
import jax.numpy as jnp

from jaxgen.model import Base


def normal(shape: Sequence[int]) -> Base:
    """Standard Gaussian noise of shape `shape`."""
    return _independent(distrax.Normal(jnp.zeros(shape), jnp.ones(shape)), shape)


def uniform(shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> Base:
    """Uniform noise on [low, high) of shape `shape`; the log density outside is -inf. ValueError unless low < high, both finite."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"uniform: low={low!r}, high={high!r}; accepted: finite numbers with low < high.")
    return _independent(distrax.Uniform(jnp.full(shape, float(low)), jnp.full(shape, float(high))), shape)


def logistic(shape: Sequence[int]) -> Base:
    """Standard logistic noise of shape `shape`: the logit of a uniform, whose tails keep their precision."""
    return _independent(distrax.Logistic(jnp.zeros(shape), jnp.ones(shape)), shape)


def latent_and_noise(latent: Sequence[int], event: Sequence[int]) -> Base:
    """The noise of a variational autoencoder: `{"latent", "noise"}`, both standard Gaussian."""
    return distrax.Joint({"latent": normal(latent), "noise": normal(event)})


def diffusion_noise(event: Sequence[int], num_steps: int) -> Base:
    """The noise of a stochastic sampler: `{"x0": event, "increments": (num_steps, *event)}`, all standard Gaussian."""
    return distrax.Joint({"x0": normal(event), "increments": normal((num_steps, *event))})


def _independent(distribution: Any, shape: Sequence[int]) -> Base:
    return distrax.Independent(distribution, reinterpreted_batch_ndims=len(shape))
