"""Images from rows of patches and back: an order of the numbers, which changes no volume."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.transform import Preimage, Transform, bijection, no_params


def patches(shape: tuple[int, int, int], size: int) -> Transform:
    """Build the map from rows of patches to an image.

    Patches are in raster order, and each patch holds its pixels in raster order.

    Args:
        shape: Height, width and channels of the image.
        size: Height and width of a patch in pixels; it divides the height and the width of the image.

    Returns:
        An EXACT transform without params from rows `(n, size * size * channels)` to images `shape`, whose log-determinant is zero.

    Raises:
        ValueError: `size` is below 1 or does not divide height and width.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> image = transforms.patches((2, 4, 1), 2).forward((), jnp.arange(8).reshape(2, 4))
    >>> image[..., 0].tolist()
    [[0, 1, 4, 5], [2, 3, 6, 7]]
    """
    checks.count("patches: size", size)
    height, width, channels = shape
    if height % size or width % size:
        raise ValueError(f"patches: size={size!r}; accepted: a divisor of the image's height {height} and width {width}.")
    grid = (height // size, width // size)

    def image(rows: jax.Array) -> jax.Array:
        return rows.reshape(*grid, size, size, channels).swapaxes(1, 2).reshape(shape)

    def rows(x: jax.Array) -> jax.Array:
        return x.reshape(grid[0], size, grid[1], size, channels).swapaxes(1, 2).reshape(grid[0] * grid[1], -1)

    return bijection(
        no_params,
        lambda params, z, cond=None: (image(z), jnp.zeros((), z.dtype)),
        lambda params, x, cond=None, key=None: Preimage(rows(x), jnp.zeros((), x.dtype)),
    )


def num_patches(shape: tuple[int, int, int], size: int) -> tuple[int, int]:
    """Return the shape `(n, size * size * channels)` of the noise of `patches(shape, size)`.

    Args:
        shape: Height, width and channels of the image.
        size: Height and width of a patch in pixels.

    Returns:
        The number of patches, and how many numbers a patch has.

    >>> from jaxgen import transforms
    >>> transforms.num_patches((28, 28, 1), 4)
    (49, 16)
    """
    height, width, channels = shape
    return height * width // size**2, size**2 * channels
