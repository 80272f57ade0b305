"""scikit-learn's 8x8 handwritten digits as 64 continuous values."""

import functools

import numpy as np

from jaxgen.data.source import midpoints

LEVELS = 17


@functools.cache
def images() -> np.ndarray:
    """The 1,797 bundled images, (1797, 64) float64, whole numbers from 0 to 16."""
    from sklearn.datasets import load_digits

    return np.asarray(load_digits(return_X_y=True)[0])


@functools.cache
def labels() -> np.ndarray:
    """Which digit each of the `images` is, (1797,) int."""
    from sklearn.datasets import load_digits

    return np.asarray(load_digits(return_X_y=True)[1], int)


def dequantise(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Pixels (n, 64) in 0..16 to `2 (pixel + u) / 17 - 1` in (-1, 1), u uniform on (0, 1): continuous values, float32.

    `floor(17 (x + 1) / 2)` is the pixel again, also after the rounding to float32. The probability of the whole numbers is bounded by the
    density of the continuous ones: `log P(pixels) >= E_u log p(x) + 64 log(2 / 17)` (arXiv 1511.01844).
    """
    return (2 * (pixels + midpoints(rng, pixels.shape, bits=16)) / LEVELS - 1).astype(np.float32)


def sample(rng: np.random.Generator, n: int) -> np.ndarray:
    """n images (n, 64) drawn with replacement from all 1,797, each dequantised afresh. It includes the images a model was trained on."""
    pixels = images()
    return dequantise(rng, pixels[rng.integers(len(pixels), size=n)])
