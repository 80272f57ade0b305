"""Images from rows of patches and back: an order of the numbers, without volume."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.transform import Density, Preimage, Transform


def patches(shape: tuple[int, int, int], size: int) -> Transform:
    """The image `shape` (height, width, channels) whose patches of `size` x `size` pixels are the rows of `(n, size * size * channels)`.

    Patches in raster order, each with its pixels in raster order; exact with log_det = 0, no params. Raises ValueError unless `size` divides
    height and width.
    """
    checks.count("patches: size", size)
    height, width, channels = shape
    if height % size or width % size:
        raise ValueError(f"patches: size={size} for images of {height} x {width}; accepted: a divisor of both.")
    grid = (height // size, width // size)

    def image(rows: jax.Array) -> jax.Array:
        return rows.reshape(*grid, size, size, channels).swapaxes(1, 2).reshape(shape)

    def rows(x: jax.Array) -> jax.Array:
        return x.reshape(grid[0], size, grid[1], size, channels).swapaxes(1, 2).reshape(grid[0] * grid[1], -1)

    return Transform(
        lambda key, z, cond=None: (),
        lambda params, z, cond=None: image(z),
        lambda params, x, cond=None, key=None: Preimage(rows(x), jnp.zeros((), x.dtype)),
        lambda params, z, cond=None: (image(z), jnp.zeros((), z.dtype)),
        Density.EXACT,
    )


def num_patches(shape: tuple[int, int, int], size: int) -> tuple[int, int]:
    """Rows and numbers of a row: the shape of the noise of `patches(shape, size)`."""
    height, width, channels = shape
    return height * width // size**2, size**2 * channels
