"""Plane sets as bits: each coordinate in a Gray code, in which neighbouring cells differ in one bit."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.data.codes import CodeSource, of_codes
from jaxgen.data.source import Source

BOUND = 6.0
"""Coordinates are coded within [-6, 6], beyond which the plane sets have no mass that matters."""


def gray_coded(source: Source, bits: int = 16) -> CodeSource:
    """Build the distribution of the Gray-coded cells of a plane set, `2 bits` sites of 0 and 1, most significant first, x before y.

    The log probability is that of the density in the middle of the cell. Cells of 12 / 2^16 are so small beside the sets' noise that it is
    exact to 1e-5, and so is the entropy, `h - log(area of a cell)`.

    Args:
        source: A source of points `(n, 2)`.
        bits: Bits of a coordinate.

    >>> from jaxgen.data.grids import checkerboard
    >>> source = gray_coded(checkerboard(), 8)
    >>> source.sample(np.random.default_rng(0), 3).shape
    (3, 16)
    """
    width = 2 * BOUND / 2**bits

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        cell = np.clip(np.floor((source.sample(rng, n) + BOUND) / width), 0, 2**bits - 1).astype(np.int64)
        code = cell ^ (cell >> 1)
        return ((code[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1).reshape(n, 2 * bits)

    def log_prob(x: jax.Array) -> jax.Array:
        # Each bit of the cell's number is the parity of the code's bits up to it.
        binary = jnp.cumsum(x.reshape(2, bits), 1) % 2
        cell = jnp.sum(binary << jnp.arange(bits - 1, -1, -1, dtype=jnp.int32), 1)
        middle = (cell.astype(jnp.zeros(()).dtype) + 0.5) * width - BOUND
        return source.log_prob(middle) + 2 * np.log(width)

    return CodeSource(sample, 2, of_codes(2 * bits, 2, log_prob), source.entropy - 2 * float(np.log(width)))


def decoded(x: np.ndarray) -> np.ndarray:
    """Return the middles of the cells of Gray-coded points, to look at samples in the plane.

    Args:
        x: Bits `(n, 2 bits)`.

    Returns:
        Points `(n, 2)` float64.
    """
    bits = x.shape[1] // 2
    binary = np.cumsum(np.asarray(x, np.int64).reshape(-1, 2, bits), 2) % 2
    cell = np.sum(binary << np.arange(bits - 1, -1, -1), 2)
    return (cell + 0.5) * 2 * BOUND / 2**bits - BOUND
