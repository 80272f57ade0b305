"""The targets of the study `bridge`: densities with separated modes, and the sets whose bridge is measured."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import data
from jaxgen.data.mixtures import log_mixture, sample_mixture
from jaxgen.evaluation.bridge import Sets, balls, separated_sets

FAR = 1_000.0
"""The radius of a ball that stands for a half-plane."""


class Target(NamedTuple):
    """A density in the plane and its sets.

    Attributes:
        draw: `(seed, n)` to events `(n, 2)` float32.
        log_prob: The log density of one event `(2,)`.
        label: Events `(n, 2)` to their modes `(n,)`; -1 for none.
        sets: The separated sets.
    """

    draw: Callable[[int, int], np.ndarray]
    log_prob: Callable[[jax.Array], jax.Array]
    label: Callable[[np.ndarray], np.ndarray]
    sets: Sets


def half_planes(edge: float) -> Sets:
    """Return the half-planes to the left of -edge and to the right of edge, as balls of a radius of 1,000."""
    return balls([[-FAR - edge, 0.0], [FAR + edge, 0.0]], FAR)


def side(x: np.ndarray) -> np.ndarray:
    """Label events by the sign of their first coordinate."""
    return (np.asarray(x)[:, 0] > 0).astype(int)


def two_gaussians(deviations: float) -> Target:
    """Build two equal Gaussians at a distance of so many standard deviations, in units in which each coordinate has about unit variance."""
    scale = 1 / math.sqrt(1 + deviations**2 / 4)
    centres, noise = scale * np.array([[-deviations / 2, 0.0], [deviations / 2, 0.0]]), np.full(2, scale)
    weights = np.full(2, 0.5)

    def draw(seed: int, n: int) -> np.ndarray:
        return sample_mixture(np.random.default_rng([7, seed]), n, weights, centres, noise).astype(np.float32)

    return Target(draw, lambda x: log_mixture(x, weights, centres, noise), side, half_planes(scale * deviations / 4))


def bananas() -> Target:
    """Build two bent modes back to back: `x_1 = s (3 + y^2 / 3 + 0.4 e)` and `x_2 = 1.5 y`, over 3.5."""
    unit, bend, thick, tall = 3.5, 1 / 3, 0.4, 1.5

    def draw(seed: int, n: int) -> np.ndarray:
        rng = np.random.default_rng([8, seed])
        sign, y, e = rng.choice([-1.0, 1.0], n), rng.standard_normal(n), rng.standard_normal(n)
        return (np.stack([sign * (3 + bend * y**2 + thick * e), tall * y], 1) / unit).astype(np.float32)

    def log_prob(x: jax.Array) -> jax.Array:
        first, y = x[0] * unit, x[1] * unit / tall
        e = (jnp.stack([first, -first]) - 3 - bend * y**2) / thick
        constant = math.log(2) + math.log(2 * math.pi) + math.log(thick * tall) - 2 * math.log(unit)
        return jax.nn.logsumexp(-0.5 * e**2) - 0.5 * y**2 - constant

    return Target(draw, log_prob, side, half_planes(1.6 / unit))


def _named(name: str, sets: Callable[[np.ndarray, np.ndarray], Sets | None]) -> Target:
    source = data.load(name, num_train=2, num_valid=2, num_test=2)
    assert source.log_prob is not None
    assert source.mode is not None
    x = data.draw(name, 99, 8_000)
    made = sets(x, source.mode(x))
    assert made is not None
    return Target(functools.partial(data.draw, name), source.log_prob, source.mode, made)


def _eight(x: np.ndarray, labels: np.ndarray) -> Sets:
    return balls(np.stack([x[labels == k].mean(0) for k in range(8)]), 2 * 0.5 / 1.414)


def _cells(x: np.ndarray, labels: np.ndarray) -> Sets:
    return balls([(2 * i - 3, 2 * j - 3) for j in range(4) for i in range(4) if (i + j) % 2 == 0], 0.7)


@functools.cache
def target(name: str) -> Target:
    """Return a target by its name, one of `TARGETS`."""
    return TARGETS[name]()


TARGETS: dict[str, Callable[[], Target]] = {
    "two_gaussians_4": lambda: two_gaussians(4),
    "two_gaussians_8": lambda: two_gaussians(8),
    "two_gaussians_16": lambda: two_gaussians(16),
    "bananas": bananas,
    "eight_gaussians": lambda: _named("eight_gaussians", _eight),
    "rings": lambda: _named("rings", separated_sets),
    "checkerboard": lambda: _named("checkerboard", _cells),
}
TWO_MODES = ("two_gaussians_4", "two_gaussians_8", "two_gaussians_16", "bananas")
