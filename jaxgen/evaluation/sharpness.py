"""How sharp images are: the slope of their edges and the variance of their Laplacian; blurred images have less of both."""

import numpy as np
from numpy.typing import ArrayLike


def gradient_magnitude(images: ArrayLike) -> float:
    """Return the mean length of the gradient over all pixels outside the last row and column.

    Args:
        images: Images `(n, height, width, channels)` with sides of at least 3 pixels.

    Returns:
        The mean length of the vector of forward differences, in the units of the images.

    Raises:
        ValueError: The shape does not fit, or a pixel is not finite.

    >>> import numpy as np
    >>> gradient_magnitude(np.add.outer(3.0 * np.arange(5), 4.0 * np.arange(6))[None, ..., None])
    5.0
    """
    x = _checked("gradient_magnitude", images)
    down, across = np.diff(x, axis=1)[:, :, :-1], np.diff(x, axis=2)[:, :-1]
    return float(np.sqrt(down**2 + across**2).mean())


def laplacian_variance(images: ArrayLike) -> float:
    """Return the variance over an image's inner pixels of its five-point Laplacian, averaged over images.

    Args:
        images: Images `(n, height, width, channels)` with sides of at least 3 pixels.

    Returns:
        The mean variance, in squares of the units of the images.

    Raises:
        ValueError: The shape does not fit, or a pixel is not finite.

    >>> import numpy as np
    >>> laplacian_variance(np.indices((4, 4)).sum(0)[None, ..., None] % 2)
    16.0
    """
    x = _checked("laplacian_variance", images)
    middle = x[:, 1:-1, 1:-1]
    laplacian = x[:, 2:, 1:-1] + x[:, :-2, 1:-1] + x[:, 1:-1, 2:] + x[:, 1:-1, :-2] - 4 * middle
    return float(laplacian.reshape(len(x), -1).var(1).mean())


def _checked(function: str, images: ArrayLike) -> np.ndarray:
    x = np.asarray(images, np.float64)
    if x.ndim != 4 or len(x) == 0 or min(x.shape[1:3]) < 3:
        accepted = "(n, height, width, channels) with n >= 1 and sides of at least 3"
        raise ValueError(f"{function}: images=array of shape {x.shape}; accepted: {accepted}.")
    if not np.isfinite(x).all():
        raise ValueError(f"{function}: images: {int((~np.isfinite(x)).sum())} of {x.size} values are not finite; accepted: finite numbers.")
    return x
