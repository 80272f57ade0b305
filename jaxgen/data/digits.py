"""scikit-learn's 8x8 handwritten digits as 64 continuous values."""

import functools

import numpy as np

from jaxgen.data.source import midpoints

LEVELS = 17


@functools.cache
def images() -> np.ndarray:
    """Return the 1,797 bundled images: (1797, 64) float64, whole numbers from 0 to 16."""
    from sklearn.datasets import load_digits

    return np.asarray(load_digits(return_X_y=True)[0])


@functools.cache
def labels() -> np.ndarray:
    """Return which digit each of the `images` is: (1797,) int."""
    from sklearn.datasets import load_digits

    return np.asarray(load_digits(return_X_y=True)[1], int)


def dequantise(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Dequantise pixels: map them to `2 (pixel + u) / 17 - 1` in (-1, 1) with u uniform on (0, 1), float32.

    `floor(17 (x + 1) / 2)` is the pixel again, also after the rounding to float32. The density of the continuous values bounds the
    probability of the whole numbers: `log P(pixels) >= E_u log p(x) + 64 log(2 / 17)`.

    Args:
        rng: The generator of u.
        pixels: Whole numbers `(n, 64)` in 0 ... 16.

    Source: arXiv 1511.01844.
    """
    return (2 * (pixels + midpoints(rng, pixels.shape, bits=16)) / LEVELS - 1).astype(np.float32)


def sample(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw images with replacement from all 1,797, and dequantise each of them anew.

    Images on which a model was trained are among them.

    Args:
        rng: A NumPy generator.
        n: The number of images.

    Returns:
        Images `(n, 64)`.
    """
    pixels = images()
    return dequantise(rng, pixels[rng.integers(len(pixels), size=n)])
