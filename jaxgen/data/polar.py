"""Densities that are simple in polar coordinates: concentric `rings` and the twisted blades of `pinwheel`."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import i0e

from jaxgen.data.mixtures import sample_mixture
from jaxgen.data.source import REACH, Source, finite_only, of_event, safe_norm

RADII = np.array([0.6, 1.2, 1.8, 2.4])
RING_NOISE = 0.08
BLADES = 5
BLADE_CENTRE = np.array([1.5, 0.0])
BLADE_NOISE = np.array([0.45, 0.15])
TWIST, TWIST_RADIUS = 2.0, 1.5


def rings() -> Source:
    """Four circles of radius 0.6, 1.2, 1.8, 2.4 and equal mass, plus Gaussian noise of standard deviation 0.08.

    A uniform angle integrates out in closed form: p(x | R) = exp(-(|x| - R)**2 / 2s**2) I0e(|x| R / s**2) / (2 pi s**2) with I0e the
    exponentially scaled Bessel function (Rice's law of the radius). Mode: the nearest circle, within five standard deviations.
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
    """Five Gaussian blades, 1.5 from the origin, of standard deviation 0.45 along and 0.15 across, each point then turned about the origin
    by 2 tanh(|x| / 1.5) radians.

    After the pinwheel of arXiv 1603.06277, but with a twist that depends on the radius only: such a map is volume-preserving and undone by
    turning back, so the density is that of the straight blades, exactly. Mode: the nearest blade, within five of its standard deviations.
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
        own = np.stack([_turned(straight, np.full(len(x), -a)) for a in angles], axis=1)
        distance = np.sqrt(np.sum(((own - BLADE_CENTRE) / BLADE_NOISE) ** 2, axis=2))
        return np.where(distance.min(axis=1) <= REACH, distance.argmin(axis=1), -1)

    log_prob = of_event(2, density)
    return Source(sample, log_prob, jax.grad(log_prob), ENTROPY_PINWHEEL, lambda x: finite_only(label, x), np.full(BLADES, 1 / BLADES))


def _turned(x: np.ndarray, angle: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * x[:, 0] - sin * x[:, 1], sin * x[:, 0] + cos * x[:, 1]], axis=1)


# By quadrature: of the radius for the rings, of the straight blades (the twist keeps areas) for the pinwheel; the tests derive them again.
ENTROPY_RINGS = 2.399064057624
ENTROPY_PINWHEEL = 1.745224340195
