"""Gaussian mixtures with exact density, score and entropy: `eight_gaussians`, and `gaussian_mixture` in any dimension."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.data.source import REACH, Source, finite_only, nearest_mode, of_event


def log_mixture(x: jax.Array, weights: np.ndarray, centres: np.ndarray, noise: np.ndarray) -> jax.Array:
    """Return the log density, in nats, of a mixture of Gaussians that share the standard deviations of their coordinates.

    Args:
        x: One event `(d,)`.
        weights: Weights `(k,)`, which sum to one.
        centres: The means `(k, d)`.
        noise: The standard deviations `(d,)`.
    """
    # Unrolled over the few coordinates, so that XLA fuses it into the reductions over k: a batch under vmap never holds (n, k, d) numbers.
    dtype = x.dtype
    logits = jnp.asarray(np.log(weights), dtype)
    for j, sd in enumerate(noise):
        deviation = (x[j] - jnp.asarray(centres[:, j], dtype)) / jnp.asarray(sd, dtype)
        logits = logits - deviation * deviation / 2
    constant = float(np.sum(np.log(noise)) + len(noise) * math.log(2 * math.pi) / 2)
    return jax.nn.logsumexp(logits) - jnp.asarray(constant, dtype)


def sample_mixture(rng: np.random.Generator, n: int, weights: np.ndarray, centres: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Draw events from the mixture of `log_mixture`.

    Args:
        rng: A NumPy generator.
        n: The number of events.
        weights: Weights `(k,)` that sum to one.
        centres: The means `(k, d)`.
        noise: The standard deviations `(d,)`.

    Returns:
        Events `(n, d)`.
    """
    owner = rng.choice(len(weights), size=n, p=weights)
    return centres[owner] + noise * rng.standard_normal((n, centres.shape[1]))


def eight_gaussians() -> Source:
    """Build eight equal Gaussians on a circle of radius 4 with standard deviation 0.5, both divided by 1.414 as usual.

    The mode of a point is the nearest centre within five standard deviations. The entropy is 2.8319 nats; without overlap it would be
    ln 8 plus the entropy of one Gaussian, 2.8382 nats.

    Source: arXiv 1704.00028.

    >>> eight_gaussians().mode(np.array([[2.83, 0.0], [0.0, 0.0]])).tolist()
    [0, -1]
    """
    angles = np.arange(8) * (math.pi / 4)
    centres = 4 / 1.414 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    noise, weights = np.full(2, 0.5 / 1.414), np.full(8, 1 / 8)
    log_prob = of_event(2, lambda x: log_mixture(x, weights, centres, noise))
    return Source(
        sample=lambda rng, n: sample_mixture(rng, n, weights, centres, noise),
        log_prob=log_prob,
        score=jax.grad(log_prob),
        entropy=ENTROPY_EIGHT,
        mode=nearest_mode(centres, np.arange(8), noise),
        mode_weights=weights,
    )


def gaussian_mixture(dim: int = 2) -> Source:
    """Build four Gaussians of weights .1, .2, .3, .4 that share one covariance, in any dimension.

    In rotated coordinates the centres are the corners (+-1, +-1) of a square in a plane, where every component has standard deviation 1/4;
    in the other dim - 2 coordinates all components are one standard Gaussian. The rotation is the orthonormal DCT-II, so that every mode
    shows in every coordinate. For dim = 1 the centres are -1.5, -0.5, 0.5, 1.5 and the standard deviation is 1/8. Neighbours are eight
    standard deviations apart, so a mode's share of nearest points is its weight within 1e-4.

    The density factorises in the rotated coordinates, so the entropy is exact in every dimension: a two-dimensional quadrature plus
    dim - 2 times the entropy of a standard Gaussian. The mode of a point is the nearest centre within 5 + sqrt(dim) standard deviations.

    Args:
        dim: The number of coordinates, at least 1.

    Raises:
        ValueError: `dim` is no integer of at least 1.

    >>> gaussian_mixture(1).mode(np.array([[-1.5], [0.5], [9.0]])).tolist()
    [0, 2, -1]
    """
    checks.count("gaussian_mixture: dim", dim)
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    plane = min(dim, 2)
    centres = np.array([[-1.5], [-0.5], [0.5], [1.5]]) if dim == 1 else np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    noise = np.full(plane, 1 / 8 if dim == 1 else 1 / 4)
    rotation = _dct(dim)

    def density(x: jax.Array) -> jax.Array:
        y = jnp.matmul(jnp.asarray(rotation, x.dtype), x, precision=jax.lax.Precision.HIGHEST)
        rest = y[plane:]
        normaliser = jnp.asarray((dim - plane) * math.log(2 * math.pi) / 2, x.dtype)
        return log_mixture(y[:plane], weights, centres, noise) - jnp.sum(rest * rest) / 2 - normaliser

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        y = np.concatenate([sample_mixture(rng, n, weights, centres, noise), rng.standard_normal((n, dim - plane))], axis=1)
        return y @ rotation

    def label(x: np.ndarray) -> np.ndarray:
        y = x @ rotation.T
        square = np.sum(((y[:, None, :plane] - centres) / noise) ** 2, axis=2)
        within = square.min(axis=1) + np.sum(y[:, plane:] ** 2, axis=1) <= (REACH + math.sqrt(dim)) ** 2
        return np.where(within, square.argmin(axis=1), -1)

    log_prob = of_event(dim, density)
    gaussian = 0.5 * math.log(2 * math.pi * math.e)
    entropy = ENTROPY_LINE if dim == 1 else ENTROPY_SQUARE + (dim - 2) * gaussian
    return Source(sample, log_prob, jax.grad(log_prob), entropy, lambda x: finite_only(label, x), weights)


def _dct(dim: int) -> np.ndarray:
    """Return the orthonormal DCT-II, whose rows give the rotated coordinates."""
    row, column = np.arange(dim)[:, None], np.arange(dim)
    basis = np.sqrt(2 / dim) * np.cos(math.pi * (column + 0.5) * row / dim)
    return basis * np.where(row == 0, math.sqrt(0.5), 1.0)


# By the trapezoid rule on a fine grid, which converges spectrally for these densities; the tests derive them again.
ENTROPY_EIGHT = 2.831880406138
ENTROPY_SQUARE = 1.344966514025
ENTROPY_LINE = 0.619214296124
