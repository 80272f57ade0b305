"""Colours that read on a light and on a dark page: one per place in the base, one accent and one sentence per family."""

from typing import NamedTuple

import numpy as np

INK = "#7b8390"  # text and lines: about 4:1 against both a white and a near-black page


class Family(NamedTuple):
    """How a family is presented: its heading, its accent colour and what its row shows."""

    title: str
    accent: str
    sentence: str


_FAMILIES = {
    "autoencoder": Family(
        "autoencoder",
        "#d98324",
        "A decoder turns latent noise into data; the encoder that taught it (grey) serves training and the density, never sampling.",
    ),
    "autoregressive": Family(
        "autoregressive",
        "#7d9a1e",
        "One coordinate after another takes its place: each uniform goes through the inverse of a conditional distribution function.",
    ),
    "adversarial": Family(
        "adversarial",
        "#c2498f",
        "A generator maps noise to data in one pass; the critic that judged it (grey) is dropped, and there is no density to ask for.",
    ),
    "normalizing flow": Family(
        "normalizing flow",
        "#3b82e0",
        "Invertible maps fold the noise step by step; the grid stretches but never tears, which is what makes the density exact.",
    ),
    "diffusion": Family(
        "diffusion",
        "#8a63d6",
        "Noise is taken away little by little: along smooth paths by an ODE sampler, with fresh noise on the way by any other.",
    ),
    "flow matching": Family(
        "flow matching",
        "#149a8b",
        "A velocity field, learned by regression on straight lines, carries every point from noise to data along a smooth path.",
    ),
    "few steps": Family(
        "few steps",
        "#cf5450",
        "The way from noise to data in one evaluation of a network, or a few: the map itself is learned, not a velocity to be followed.",
    ),
    "bridges": Family(
        "bridges",
        "#5b7fb3",
        "A diffusion from one distribution to another that strays least from pure noise; its two directions are learned together.",
    ),
    "one objective for all": Family(
        "one objective for all",
        "#a87556",
        "The generator of the adversarial row, trained without an opponent: one distance between samples is made small.",
    ),
}
_ALIASES = {"energy": "one objective for all", "discrepancy": "one objective for all", "flow": "normalizing flow", "vae": "autoencoder"}


def family_style(family: str) -> Family:
    """The style of a family by name, blind to case, `-` and `_`; an unknown one gets a neutral accent and its own name as heading."""
    name = family.strip().lower().replace("_", " ").replace("-", " ")
    name = _ALIASES.get(name, name)
    return _FAMILIES.get(name) or Family(
        name or "other", "#6f7f95", "From base noise to data, every point in the colour of where it started."
    )


def base_colours(positions: np.ndarray, base_kind: str) -> np.ndarray:
    """RGB `(n, 3)` in [0, 1] for base positions `(n, 2)`: the angle gives the hue, the mass enclosed by the radius the saturation.

    `base_kind` "gaussian" is N(0, I), "uniform" the unit square, "logistic" two standard logistics; any other is standardised first.
    Positions that are not finite become grey.
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


def _oklch(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """OKLCH to sRGB (Ottosson 2020), clipped: equal steps look equal, and no hue is much brighter than another."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
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
