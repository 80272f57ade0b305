"""How sharp images are: the slope of their edges, and what a Laplacian leaves of them. Blurred images have less of both."""

from typing import Any

import numpy as np


def gradient_magnitude(images: Any) -> float:
    """Mean over pixels of the length of the forward-difference gradient, for `(n, height, width, channels)`, in the images' own units."""
    x = _checked(images)
    down, across = np.diff(x, axis=1)[:, :, :-1], np.diff(x, axis=2)[:, :-1]
    return float(np.sqrt(down**2 + across**2).mean())


def laplacian_variance(images: Any) -> float:
    """Variance over the pixels of the five-point Laplacian, mean over images `(n, height, width, channels)`, in squares of their units."""
    x = _checked(images)
    middle = x[:, 1:-1, 1:-1]
    laplacian = x[:, 2:, 1:-1] + x[:, :-2, 1:-1] + x[:, 1:-1, 2:] + x[:, 1:-1, :-2] - 4 * middle
    return float(laplacian.reshape(len(x), -1).var(1).mean())


def _checked(images: Any) -> np.ndarray:
    x = np.asarray(images, np.float64)
    if x.ndim != 4 or len(x) == 0 or min(x.shape[1:3]) < 3:
        raise ValueError(f"images has shape {x.shape}; accepted: (n, height, width, channels) with n >= 1 and sides of at least 3.")
    if not np.isfinite(x).all():
        raise ValueError("images holds values that are not finite.")
    return x
