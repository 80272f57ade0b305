"""Standard base distributions over arrays and dicts of arrays, built from distrax."""

from collections.abc import Sequence
from typing import Any

import distrax
import jax.numpy as jnp

from jaxgen.model import Base


def normal(shape: Sequence[int]) -> Base:
    """Standard Gaussian noise of shape `shape`."""
    return _independent(distrax.Normal(jnp.zeros(shape), jnp.ones(shape)), shape)


def uniform(shape: Sequence[int]) -> Base:
    """Uniform noise on [0, 1) of shape `shape`; the log density outside is -inf."""
    return _independent(distrax.Uniform(jnp.zeros(shape), jnp.ones(shape)), shape)


def logistic(shape: Sequence[int]) -> Base:
    """Standard logistic noise of shape `shape`: the logit of a uniform, whose tails keep their precision."""
    return _independent(distrax.Logistic(jnp.zeros(shape), jnp.ones(shape)), shape)


def latent_and_noise(latent: Sequence[int], event: Sequence[int]) -> Base:
    """The noise of a variational autoencoder: `{"latent", "noise"}`, both standard Gaussian."""
    return distrax.Joint({"latent": normal(latent), "noise": normal(event)})


def diffusion_noise(event: Sequence[int], num_steps: int, *, areas: bool = False) -> Base:
    """The noise of a stochastic sampler: `{"x0": event, "increments": (num_steps, *event)}`, all standard Gaussian.

    areas: with a leaf "areas", shaped as the increments: what of each step's time integral the increment leaves open (space-time Levy areas).
    """
    steps = normal((num_steps, *event))
    return distrax.Joint({"x0": normal(event), "increments": steps} | ({"areas": steps} if areas else {}))


def _independent(distribution: Any, shape: Sequence[int]) -> Base:
    return distrax.Independent(distribution, reinterpreted_batch_ndims=len(shape))
