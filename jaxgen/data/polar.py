"""Densities that are simple in polar coordinates: concentric `rings` and the twisted blades of `pinwheel`."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import i0e

from jaxgen.data.mixtures import sample_mixture
from jaxgen.data.source import REACH, Source, finite_only, of_event
from jaxgen.numerics import safe_norm

RADII = np.array([0.6, 1.2, 1.8, 2.4])
RING_NOISE = 0.08
BLADES = 5
BLADE_CENTRE = np.array([1.5, 0.0])
BLADE_NOISE = np.array([0.45, 0.15])
TWIST, TWIST_RADIUS = 2.0, 1.5


def rings() -> Source:
    """Build four circles of radius 0.6, 1.2, 1.8, 2.4 and equal mass, with Gaussian noise of standard deviation 0.08.

    A uniform angle integrates out in closed form: p(x | R) = exp(-(|x| - R)**2 / 2s**2) I0e(|x| R / s**2) / (2 pi s**2) with I0e the
    exponentially scaled Bessel function (Rice's law of the radius). The mode of a point is the nearest circle within five standard
    deviations.

    >>> rings().mode(np.array([[0.6, 0.0], [0.0, -2.4], [0.0, 0.0]])).tolist()
    [0, 3, -1]
    """

    def density(x: jax.Array) -> jax.Array:
        dtype = x.dtype
        radius, sd = jnp.asarray(RADII, dtype), jnp.asarray(RING_NOISE, dtype)
        r = safe_norm(x)
        logits = -(((r - radius) / sd) ** 2) / 2 + jnp.log(i0e(r * radius / sd**2))
        constant = math.log(2 * math.pi * RING_NOISE**2 * len(RADII))
        return jax.nn.logsumexp(logits) - jnp.asarray(constant, dtype)

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        radius, angle = rng.choice(RADII, size=n), rng.uniform(0, 2 * math.pi, size=n)
        return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) + RING_NOISE * rng.standard_normal((n, 2))

    def label(x: np.ndarray) -> np.ndarray:
        gap = np.abs(np.hypot(x[:, 0], x[:, 1])[:, None] - RADII)
        return np.where(gap.min(axis=1) <= REACH * RING_NOISE, gap.argmin(axis=1), -1)

    log_prob = of_event(2, density)
    weights = np.full(len(RADII), 1 / len(RADII))
    return Source(sample, log_prob, jax.grad(log_prob), ENTROPY_RINGS, lambda x: finite_only(label, x), weights)


def pinwheel() -> Source:
    """Build five Gaussian blades 1.5 from the origin, twisted about it by 2 tanh(|x| / 1.5) radians.

    A blade has a standard deviation of 0.45 along and 0.15 across. The twist depends on the radius only, unlike that of the original
    pinwheel: such a map preserves volume and is undone by turning back, so the density is exactly that of the straight blades. The mode
    of a point is the nearest blade within five of its standard deviations.

    Source: after arXiv 1603.06277.

    >>> pinwheel().mode(np.array([[0.0, 0.0], [9.0, 9.0]])).tolist()[1]
    -1
    """
    angles = np.arange(BLADES) * (2 * math.pi / BLADES)

    def density(x: jax.Array) -> jax.Array:
        dtype = x.dtype
        twist = jnp.asarray(TWIST, dtype) * jnp.tanh(safe_norm(x) / jnp.asarray(TWIST_RADIUS, dtype))
        angle = jnp.asarray(angles, dtype) + twist
        along = jnp.cos(angle) * x[0] + jnp.sin(angle) * x[1] - jnp.asarray(BLADE_CENTRE[0], dtype)
        across = jnp.cos(angle) * x[1] - jnp.sin(angle) * x[0]
        long, wide = jnp.asarray(BLADE_NOISE, dtype)
        logits = -((along / long) ** 2 + (across / wide) ** 2) / 2
        return jax.nn.logsumexp(logits) - jnp.asarray(math.log(BLADES * 2 * math.pi * BLADE_NOISE.prod()), dtype)

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        blade = sample_mixture(rng, n, np.ones(1), BLADE_CENTRE[None], BLADE_NOISE)
        turn = rng.choice(angles, size=n) + TWIST * np.tanh(np.hypot(blade[:, 0], blade[:, 1]) / TWIST_RADIUS)
        return _turned(blade, turn)

    def label(x: np.ndarray) -> np.ndarray:
        straight = _turned(x, -TWIST * np.tanh(np.hypot(x[:, 0], x[:, 1]) / TWIST_RADIUS))
        aligned = np.stack([_turned(straight, np.full(len(x), -a)) for a in angles], axis=1)
        distance = np.sqrt(np.sum(((aligned - BLADE_CENTRE) / BLADE_NOISE) ** 2, axis=2))
        return np.where(distance.min(axis=1) <= REACH, distance.argmin(axis=1), -1)

    log_prob = of_event(2, density)
    return Source(sample, log_prob, jax.grad(log_prob), ENTROPY_PINWHEEL, lambda x: finite_only(label, x), np.full(BLADES, 1 / BLADES))


def _turned(x: np.ndarray, angle: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * x[:, 0] - sin * x[:, 1], sin * x[:, 0] + cos * x[:, 1]], axis=1)


# By quadrature over the radius for the rings, and over the straight blades for the pinwheel (the twist keeps areas); the tests repeat it.
ENTROPY_RINGS = 2.399064057624
ENTROPY_PINWHEEL = 1.745224340195
