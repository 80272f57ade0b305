"""Connected and disconnected targets in the plane and in eight dimensions."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxgen import data


class Target(NamedTuple):
    """A density that models are trained on.

    Attributes:
        dim: The dimension of its events.
        connected: Whether its support is connected, up to what is negligible.
        draw: `(seed, num) -> (num, dim)`.
        off_mode: The share of events `(num, dim)` that belong to no mode; None for a connected target.
    """

    dim: int
    connected: bool
    draw: Callable[[int, int], np.ndarray]
    off_mode: Callable[[np.ndarray], float] | None = None


def bananas(dim: int) -> Target:
    """Return the density of pairs of coordinates that bend like a banana: `(u, (u^2 - 1) / 2 + w / 3)` for standard Gaussian u and w.

    Args:
        dim: The dimension, an even number.

    >>> bananas(4).draw(0, 3).shape
    (3, 4)
    """

    def draw(seed: int, num: int) -> np.ndarray:
        u, w = np.random.default_rng([17, seed]).standard_normal((2, num, dim // 2))
        return np.stack([u, (u**2 - 1) / 2 + w / 3], -1).reshape(num, dim).astype(np.float32)

    return Target(dim, True, draw)


def modes(name: str, dim: int = 2) -> Target:
    """Return a named density of separate modes.

    Args:
        name: The name of the density, as `data.draw` takes it.
        dim: The dimension, for "gaussian_mixture".

    >>> round(modes("eight_gaussians").off_mode(data.draw("eight_gaussians", 0, 1_000)), 2)
    0.0
    """

    def off_mode(x: np.ndarray) -> float:
        mode = data.load(name, num_train=1, num_valid=1, num_test=1, dim=dim).mode
        assert mode is not None
        return float(np.mean(mode(x) < 0))

    return Target(dim, False, lambda seed, num: data.draw(name, seed, num, dim=dim), off_mode)


TARGETS = {
    "bananas": bananas(2),
    "eight_gaussians": modes("eight_gaussians"),
    "gaussian_mixture": modes("gaussian_mixture"),
    "bananas, d = 8": bananas(8),
    "gaussian_mixture, d = 8": modes("gaussian_mixture", 8),
}
"""The targets by name."""
