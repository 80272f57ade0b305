"""What the oracles share: a case, and Gaussian log densities in float64."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from jaxgen.types import Params

Truth: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""The log density `(n,)` float64 of events `(n, d)` float64."""
Case: TypeAlias = Callable[[np.random.Generator, int], tuple[Params, np.ndarray, Truth]]
"""Draws float32 params and `num` events of a family, and returns them with the truth: `(rng, num) -> (params, events, truth)`."""


def log_normal(z: np.ndarray) -> np.ndarray:
    """Return the standard normal log density of the rows of `z`."""
    return -0.5 * np.sum(z**2, -1) - 0.5 * z.shape[-1] * np.log(2 * np.pi)


def f32(a: ArrayLike) -> np.ndarray:
    """Return `a` as float32."""
    return np.asarray(a, np.float32)
