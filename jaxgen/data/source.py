"""A named distribution as a tuple of functions, and the few helpers that every family of densities shares."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import KDTree

LogProb = Callable[[jax.Array], jax.Array]
Mode = Callable[[np.ndarray], np.ndarray]

REACH = 5.0
"""A point further than this many noise standard deviations from every mode belongs to none of them."""


class Source(NamedTuple):
    """A distribution over vectors. The fields but `sample` are those of `Dataset`.

    sample: `(rng, n) -> (n, d)` float64 or float32, a pure function of the generator's state.
    """

    sample: Callable[[np.random.Generator, int], np.ndarray]
    log_prob: LogProb
    score: LogProb | None
    entropy: float
    mode: Mode
    mode_weights: np.ndarray


def of_event(dim: int, log_prob: LogProb) -> LogProb:
    """`log_prob`, jitted, -inf where a coordinate is infinite, and refusing anything but one floating point event of shape `(dim,)`:
    ValueError for the shape, TypeError for the dtype."""

    @jax.jit
    def jitted(x: jax.Array) -> jax.Array:
        # Rotating or folding an infinity would give NaN; its density is 0, and the second `where` keeps the gradient of that branch finite.
        infinite = jnp.any(jnp.isinf(x))
        return jnp.where(infinite, -jnp.inf, log_prob(jnp.where(infinite, 0, x)))

    def checked(x: jax.Array) -> jax.Array:
        x = jnp.asarray(x)
        if x.shape != (dim,):
            raise ValueError(f"x of shape {x.shape}: expected one event of shape ({dim},); for a batch use jax.vmap")
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise TypeError(f"x of dtype {x.dtype}: expected a floating point event")
        return jitted(x)

    return checked


def safe_norm(x: jax.Array) -> jax.Array:
    """Euclidean norm of (d,), whose gradient at the origin is 0 where that of `jnp.linalg.norm` is NaN."""
    square = jnp.sum(x * x)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)


def midpoints(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> np.ndarray:
    """Uniform draws on the midpoints of 2**bits cells of (0, 1): none is ever rounded onto an edge when cast to float32 after scaling."""
    return (rng.integers(0, 2**bits, size=shape) + 0.5) / 2**bits


def finite_only(label: Mode, x: np.ndarray) -> np.ndarray:
    """`label` of the rows of x (n, d) that are finite, -1 for the others. -> (n,) int."""
    x = np.asarray(x, np.float64)
    finite = np.isfinite(x).all(axis=1)
    labels = np.full(len(x), -1)
    labels[finite] = label(x[finite])
    return labels


def nearest_mode(points: np.ndarray, owners: np.ndarray, noise: np.ndarray, reach: float = REACH) -> Mode:
    """Labels by the nearest of `points` (k, d) in units of `noise` (d,): its owner (k,), or -1 beyond `reach`."""

    def label(x: np.ndarray) -> np.ndarray:
        _, index = KDTree(points / noise).query(x / noise, distance_upper_bound=reach)
        return np.append(owners, -1)[index]

    return lambda x: finite_only(label, x)
