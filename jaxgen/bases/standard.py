"""Standard base distributions over arrays and dicts of arrays, built from distrax."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.bases.shapes import Size, size_of
from jaxgen.compiled import traced_once
from jaxgen.model import Base
from jaxgen.types import DTypeLike, Key, Shape


class _Independent:
    """A product of equal distributions, whose parameters take the dtype of the value.

    distrax takes the dtype of its constants from its parameters: a float64 value would meet a logarithm rounded to float32. It takes long
    to import, so `family` is the name of its class, which is looked up when the distribution is used.
    """

    def __init__(self, family: str, quantile: Callable[[jax.Array], jax.Array], shape: Sequence[int], loc: float = 0.0, scale: float = 1.0):
        self.family, self.shape, self.loc, self.scale = family, tuple(shape), loc, scale
        self.quantile = quantile

    def sample(self, *, seed: Key, sample_shape: Size = ()) -> jax.Array:
        """Return draws `(*sample_shape, *shape)` in JAX's default dtype."""
        return _draws(seed, self.family, self.shape, self.loc, self.scale, size_of(sample_shape))

    def log_prob(self, value: ArrayLike) -> jax.Array:
        """Return the log density, in nats, in the dtype of the value."""
        return _log_density(jnp.asarray(value), self.family, self.shape, self.loc, self.scale)


def _distribution(family: str, shape: Shape, loc: float, scale: float, dtype: DTypeLike) -> Any:
    import distrax

    factors = getattr(distrax, family)(jnp.full(shape, loc, dtype), jnp.full(shape, scale, dtype))
    return distrax.Independent(factors, reinterpreted_batch_ndims=len(shape))


@functools.partial(traced_once, static=("family", "shape", "loc", "scale", "size"))
def _draws(seed: Key, family: str, shape: Shape, loc: float, scale: float, size: Shape) -> jax.Array:
    return _distribution(family, shape, loc, scale, jnp.zeros(()).dtype).sample(seed=seed, sample_shape=size)


@functools.partial(traced_once, static=("family", "shape", "loc", "scale"))
def _log_density(value: jax.Array, family: str, shape: Shape, loc: float, scale: float) -> jax.Array:
    return _distribution(family, shape, loc, scale, value.dtype).log_prob(value)


class _Joint:
    """Independent bases side by side, whose noise is a dict."""

    def __init__(self, bases: dict[str, Base]):
        self.bases = bases

    def sample(self, *, seed: Key, sample_shape: Size = ()) -> dict[str, jax.Array]:
        keys = jax.random.split(seed, len(self.bases))
        shape = size_of(sample_shape)
        return {name: b.sample(seed=k, sample_shape=shape) for (name, b), k in zip(self.bases.items(), keys, strict=True)}

    def log_prob(self, value: dict[str, jax.Array]) -> jax.Array:
        return sum((b.log_prob(value[name]) for name, b in self.bases.items()), jnp.zeros((), jax.tree.leaves(value)[0].dtype))


class _JointWithQuantile(_Joint):
    """Independent bases side by side, each of which has a quantile function."""

    def quantile(self, value: dict[str, jax.Array]) -> dict[str, jax.Array]:
        return {name: cast(Any, b).quantile(value[name]) for name, b in self.bases.items()}


def normal(shape: Sequence[int]) -> Base:
    """Build standard Gaussian noise of shape `shape`.

    >>> round(float(normal((2,)).log_prob(jnp.zeros(2))), 5) == round(-math.log(2 * math.pi), 5)
    True
    """
    return _Independent("Normal", jax.scipy.special.ndtri, checks.shape("normal: shape", shape))


def uniform(shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> Base:
    """Build uniform noise on [low, high), whose log density outside is -inf.

    Args:
        shape: The shape of the noise.
        low: The lower end of the interval.
        high: The upper end of the interval.

    Raises:
        ValueError: An end is not finite, or `low` is not below `high`.

    >>> float(uniform((1,), 0.0, 1.0).log_prob(jnp.asarray([2.0])))
    -inf
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"uniform: low={low!r}, high={high!r}; accepted: finite numbers with low < high.")
    low, high = float(low), float(high)
    return _Independent("Uniform", lambda u: low + (high - low) * u, checks.shape("uniform: shape", shape), low, high)


def logistic(shape: Sequence[int]) -> Base:
    """Build standard logistic noise of shape `shape`: the logit of a uniform number, whose tails keep their precision.

    >>> round(float(logistic((1,)).log_prob(jnp.zeros(1))), 5) == round(math.log(0.25), 5)
    True
    """
    return _Independent("Logistic", jax.scipy.special.logit, checks.shape("logistic: shape", shape))


def joint(bases: Mapping[str, Base]) -> Base:
    """Put independent bases side by side: the noise is a dict with one leaf for each of `bases`.

    Raises ValueError if `bases` is empty.

    >>> base = joint({"a": normal((2,)), "b": uniform((3,))})
    >>> jax.tree.map(jnp.shape, base.sample(seed=jax.random.key(0)))
    {'a': (2,), 'b': (3,)}
    """
    if not bases:
        raise ValueError("joint: bases={}; accepted: at least one base by name.")
    return (_JointWithQuantile if all(hasattr(b, "quantile") for b in bases.values()) else _Joint)(dict(bases))


def latent_and_noise(latent: Sequence[int], event: Sequence[int]) -> Base:
    """Build the noise of a variational autoencoder: `{"latent", "noise"}`, both standard Gaussian.

    Args:
        latent: The shape of the latent.
        event: The shape of an event.

    >>> jax.tree.map(jnp.shape, latent_and_noise((2,), (3,)).sample(seed=jax.random.key(0)))
    {'latent': (2,), 'noise': (3,)}
    """
    return joint({"latent": normal(latent), "noise": normal(event)})


def mixture_noise(*bases: Base) -> Base:
    """Build the noise of `transforms.mixture`: `{"choice": (), "parts": {"0": ..., "1": ...}}`, a uniform number and the noise of each model.

    Args:
        bases: The base of each model.

    >>> jax.tree.map(jnp.shape, mixture_noise(normal((2,)), uniform((3,))).sample(seed=jax.random.key(0)))
    {'choice': (), 'parts': {'0': (2,), '1': (3,)}}
    """
    return joint({"choice": uniform(()), "parts": joint({str(j): base for j, base in enumerate(bases)})})


def diffusion_noise(event: Sequence[int], num_steps: int, *, areas: bool = False) -> Base:
    """Build the noise of a stochastic sampler: `{"x0": event, "increments": (num_steps, *event)}`, all standard Gaussian.

    Args:
        event: The shape of an event.
        num_steps: The number of steps of the sampler.
        areas: Add a leaf "areas" of the shape of the increments: the space-time Levy areas, which give the time integral of each step's
            Brownian path beyond what its increment determines.

    >>> jax.tree.map(jnp.shape, diffusion_noise((2,), 5).sample(seed=jax.random.key(0)))
    {'increments': (5, 2), 'x0': (2,)}
    """
    # Not `normal`: a sampler of a single step has no increments.
    steps = _Independent("Normal", jax.scipy.special.ndtri, (num_steps, *event))
    return joint({"x0": normal(event), "increments": steps} | ({"areas": steps} if areas else {}))


def mixed_noise(num_numbers: int, num_categories: int, num_steps: int) -> Base:
    """Build the noise of `transforms.mixed_ancestral`: Gaussian for numbers, `{"x0", "increments"}`, and uniform for categories, `{"sites"}`.

    Args:
        num_numbers: How many numbers a row has; 0 leaves their leaves out.
        num_categories: How many categories a row has; 0 leaves their leaf out.
        num_steps: The number of steps of the sampler.

    >>> jax.tree.map(jnp.shape, mixed_noise(1, 2, 5).sample(seed=jax.random.key(0)))
    {'increments': (5, 1), 'sites': (5, 2), 'x0': (1,)}
    """
    leaves: dict[str, Base] = {"sites": uniform((num_steps, num_categories))} if num_categories else {}
    if num_numbers:
        leaves |= {"x0": normal((num_numbers,)), "increments": normal((num_steps, num_numbers))}
    return joint(leaves)
