"""`grid`: images side by side."""

import io
import math

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from PIL import Image

from jaxgen import checks
from jaxgen.viz.figure import Drawing

_SIDE = 800
"""The longest side of a page in pixels, about."""


def grid(images: ArrayLike, columns: int | None = None) -> Figure:
    """Draw images side by side, row by row.

    The darkest value of all images is black and the brightest is white, so pixels may be levels, bytes or numbers in (-1, 1).

    Args:
        images: Images `(n, height, width, channels)` with one or three channels, or `(n, height, width)`.
        columns: The number of columns; None makes the page about square.

    Returns:
        A figure, which a notebook shows.

    Raises:
        ValueError: The array holds no images, or a number that is not finite.

    >>> import numpy as np
    >>> grid(np.zeros((5, 4, 3, 1)), columns=2).axes[0].images[0].get_array().shape
    (14, 7)
    """
    pixels = np.asarray(images, np.float64)
    pixels = pixels[..., None] if pixels.ndim == 3 else pixels
    if pixels.ndim != 4 or pixels.shape[-1] not in (1, 3) or not pixels.size:
        raise ValueError(f"grid: images of shape {np.shape(images)}; accepted: (n, height, width, channels), channels 1 or 3.")
    if not np.isfinite(pixels).all():
        raise ValueError(f"grid: images with {np.sum(~np.isfinite(pixels))} numbers that are not finite; accepted: finite numbers.")
    if columns is not None:
        checks.count("grid: columns", columns)
    low, high = pixels.min(), pixels.max()
    page = _side_by_side((pixels - low) / max(high - low, 1e-12), columns)
    longest = 6.0
    scale = longest / max(page.shape[:2])
    figure = Drawing((page.shape[1] * scale, page.shape[0] * scale))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(page[..., 0] if page.shape[-1] == 1 else page, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    return figure


def grid_png(images: np.ndarray, levels: int = 256, columns: int | None = None) -> bytes:
    """Return images side by side as a PNG, in which each pixel of an image is a square of whole pixels.

    Args:
        images: Whole-numbered images `(n, height, width, channels)` with one or three channels.
        levels: The number of values of a pixel; 0 is black and `levels - 1` is white.
        columns: The number of columns; None makes the page about square.

    Returns:
        The bytes of the file.

    >>> grid_png(np.zeros((5, 4, 3, 1), np.uint8), levels=2)[1:4]
    b'PNG'
    """
    page = _side_by_side(np.asarray(images, np.float64) / (levels - 1), columns)
    factor = max(1, round(_SIDE / max(page.shape[:2])))
    enlarged = page.repeat(factor, 0).repeat(factor, 1)
    pixels = np.broadcast_to(np.rint(255 * enlarged.clip(0, 1)), (*enlarged.shape[:2], 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def _side_by_side(pixels: np.ndarray, columns: int | None) -> np.ndarray:
    """Put images with values in [0, 1] on one page `(height, width, channels)`; a line of the middle grey divides them."""
    num, height, width, channels = pixels.shape
    across = min(num, columns or math.ceil(math.sqrt(num * height / width)))
    rows = math.ceil(num / across)
    page = np.full((rows * (height + 1), across * (width + 1), channels), 0.5)
    for i, one in enumerate(pixels):
        top, left = (i // across) * (height + 1), (i % across) * (width + 1)
        page[top : top + height, left : left + width] = one
    return page[:-1, :-1]
