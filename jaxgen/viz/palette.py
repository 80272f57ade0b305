"""Colours that read on a light and on a dark page: one for each place in the base, and how a family is presented."""

from typing import NamedTuple

import numpy as np

INK = "#7b8390"  # text and lines: about 4:1 against both a white and a near-black page


NEUTRAL = "#6f7f95"  # the accent of what says no colour of its own


class Family(NamedTuple):
    """How a page presents a family: its heading, its accent colour and what its row shows."""

    title: str
    accent: str = NEUTRAL
    sentence: str = "From base noise to data, every point in the colour of where it started."


def base_colours(positions: np.ndarray, base_kind: str) -> np.ndarray:
    """Return the colour of each position in the base: the angle gives the hue, and the probability within the radius the saturation.

    Args:
        positions: Positions `(n, 2)`; those that are not finite become grey.
        base_kind: "gaussian" for N(0, I), "uniform" for the unit square, "logistic" for two standard logistics. For any other kind the
            positions are standardised first.

    Returns:
        RGB values `(n, 3)` in [0, 1].

    >>> base_colours(np.zeros((1, 2)), "gaussian").round(2).tolist()
    [[0.72, 0.65, 0.64]]
    """
    positions = np.asarray(positions, dtype=float)
    finite = np.all(np.isfinite(positions), axis=1)
    centred = np.where(finite.reshape(-1, 1), positions, 0.0)
    if base_kind in ("uniform", "logistic"):
        centred = 2.0 * centred - 1.0 if base_kind == "uniform" else np.tanh(0.5 * centred)
        mass = np.clip(np.abs(centred).max(axis=1), 0.0, 1.0) ** 2
    else:
        if base_kind != "gaussian":
            centred = (centred - centred.mean(axis=0)) / (centred.std(axis=0) + 1e-12)
        mass = 1.0 - np.exp(-0.5 * np.square(centred).sum(axis=1))
    hue = np.arctan2(centred[:, 1], centred[:, 0])
    chroma = np.where(finite, 0.02 + 0.15 * np.sqrt(mass), 0.0)
    return _oklch(0.74 - 0.09 * mass, chroma, hue + 0.6)


def plane_colours(uniforms: np.ndarray) -> np.ndarray:
    """Return the colour of each point of the unit square: from blue over violet to orange along the first axis, brighter along the second.

    Every step changes the lightness or the blue-yellow channel, so that red-green blindness loses no direction.

    Args:
        uniforms: Points `(n, 2)` of the unit square.

    Returns:
        RGB values `(n, 3)` in [0, 1].

    >>> colours = plane_colours(np.array([[0.0, 0.0], [1.0, 1.0]]))
    >>> bool(np.abs(colours - [[0.2, 0.4, 0.7], [1.0, 0.7, 0.35]]).max() < 0.06)
    True
    """
    u, v = np.clip(np.asarray(uniforms, float), 0, 1).T
    return _oklab(0.5 + 0.33 * v, 0.09 * np.sin(np.pi * u) + 0.065 * u - 0.02, 0.26 * u - 0.13)


def _oklch(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """Turn OKLCH into clipped sRGB (Ottosson 2020): equal steps look equal, and no hue is much brighter than another."""
    return _oklab(lightness, chroma * np.cos(hue), chroma * np.sin(hue))


def _oklab(lightness: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Turn Oklab into clipped sRGB."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        [
            4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
        ],
        axis=-1,
    ).clip(0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
