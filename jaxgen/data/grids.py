"""Densities that are constant on cells: `checkerboard`."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.data.source import Source, finite_only, midpoints, of_event

HALF = 4.0
SIDE = 2.0


def checkerboard() -> Source:
    """Build the uniform density on the 8 squares of side 2 of one colour of [-4, 4]**2: its entropy is ln 32 = 3.466 nats.

    The lower left square is included, and each square contains its left and lower edges. Outside the squares the log density is -inf and
    the mode is -1; inside, the mode is the square's number, row by row from below. There is no score, because it is zero wherever it
    exists.

    >>> checkerboard().mode(np.array([[-3.0, -3.0], [-1.0, -3.0], [1.0, -3.0]])).tolist()
    [0, -1, 1]
    """
    cells = np.array([(i, j) for j in range(4) for i in range(4) if (i + j) % 2 == 0])

    def density(x: jax.Array) -> jax.Array:
        cell = jnp.floor((x + HALF) / SIDE)
        inside = jnp.all((x >= -HALF) & (x < HALF)) & (jnp.mod(jnp.sum(cell), 2) == 0)
        value = jnp.where(inside, jnp.asarray(-math.log(32), x.dtype), -jnp.inf)
        return jnp.where(jnp.any(jnp.isnan(x)), jnp.nan, value)

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        return SIDE * (cells[rng.integers(len(cells), size=n)] + midpoints(rng, (n, 2), bits=19)) - HALF

    def label(x: np.ndarray) -> np.ndarray:
        inside = np.all((x >= -HALF) & (x < HALF), axis=1)
        column, row = np.floor((np.where(inside[:, None], x, 0) + HALF) / SIDE).astype(int).T
        return np.where(inside & ((column + row) % 2 == 0), 2 * row + column // 2, -1)

    return Source(sample, of_event(2, density), None, math.log(32), lambda x: finite_only(label, x), np.full(8, 1 / 8))
