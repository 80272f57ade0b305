"""A named distribution as a tuple of functions, and the few helpers that every family of densities shares."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

LogProb = Callable[[jax.Array], jax.Array]
Mode = Callable[[np.ndarray], np.ndarray]

REACH = 5.0
"""A point that is further than this many standard deviations of the noise from every mode has the mode -1."""


class Source(NamedTuple):
    """Hold a distribution over vectors. All fields but `sample` are also fields of `Dataset`.

    Attributes:
        sample: `(rng, n) -> (n, d)` float64 or float32, a pure function of the generator's state.
    """

    sample: Callable[[np.random.Generator, int], np.ndarray]
    log_prob: LogProb
    score: LogProb | None
    entropy: float
    mode: Mode
    mode_weights: np.ndarray


def of_event(dim: int, log_prob: LogProb) -> LogProb:
    """Return `log_prob` jitted, checked, and -inf at infinite coordinates.

    Args:
        dim: The number of coordinates of an event.
        log_prob: One event `(dim,)` to its log density.

    Returns:
        A function that raises ValueError for another shape and TypeError for an event that is not floating point.
    """

    @jax.jit
    def jitted(x: jax.Array) -> jax.Array:
        # Rotating or folding an infinity would give NaN; its density is 0, and the second `where` keeps the gradient of that branch finite.
        infinite = jnp.any(jnp.isinf(x))
        return jnp.where(infinite, -jnp.inf, log_prob(jnp.where(infinite, 0, x)))

    def checked(x: jax.Array) -> jax.Array:
        x = jnp.asarray(x)
        if x.shape != (dim,):
            raise ValueError(f"log_prob: x of shape {x.shape}; accepted: one event of shape ({dim},); for a batch use jax.vmap.")
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise TypeError(f"log_prob: x of dtype {x.dtype}; accepted: a floating point event.")
        return jitted(x)

    return checked


def midpoints(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> np.ndarray:
    """Draw uniform numbers on the midpoints of 2**bits cells of (0, 1).

    In float32 none of them is rounded onto an edge after scaling.

    Args:
        rng: A NumPy generator.
        shape: The shape of the result.
        bits: The number of cells is `2**bits`.

    Returns:
        Numbers strictly between 0 and 1.
    """
    return (rng.integers(0, 2**bits, size=shape) + 0.5) / 2**bits


def finite_only(label: Mode, x: np.ndarray) -> np.ndarray:
    """Label the finite rows of `x` by `label`, and the others by -1.

    Args:
        label: The function that labels rows `(n, d)`.
        x: Rows `(n, d)`.

    Returns:
        Labels `(n,)` of type int.
    """
    x = np.asarray(x, np.float64)
    finite = np.isfinite(x).all(axis=1)
    labels = np.full(len(x), -1)
    labels[finite] = label(x[finite])
    return labels


def nearest_mode(points: np.ndarray, owners: np.ndarray, noise: np.ndarray, reach: float = REACH) -> Mode:
    """Label points by the nearest of some marked points.

    Args:
        points: The marked points `(k, d)`.
        owners: The label of each marked point `(k,)`.
        noise: The unit of distance of each coordinate `(d,)`.
        reach: The distance beyond which a point is labelled -1.
    """

    def label(x: np.ndarray) -> np.ndarray:
        from scipy.spatial import KDTree

        _, index = KDTree(points / noise).query(x / noise, distance_upper_bound=reach)
        return np.append(owners, -1)[index]

    return lambda x: finite_only(label, x)
