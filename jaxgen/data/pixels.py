"""Pixels as whole numbers: what arrays are taken for images, and how they become a Dataset, discrete or dequantised."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxgen.data.categories import Categories
from jaxgen.data.columns import Column
from jaxgen.data.dataset import Dataset, Units
from jaxgen.data.schema import Schema
from jaxgen.data.tables import DataError

PIXELS = ("continuous", "discrete")
SPLITS = ("train", "valid", "test")
_ROWS = 4_096  # images dequantised at once: the draws of a whole set would take several times its memory
_GRID = 1e-3  # how far a float may be from k / 255, in units of 1 / 255: float16 is within 0.13, float32 within 1e-4


class Images(NamedTuple):
    """Hold images in three parts.

    Attributes:
        parts: By split, `(n, height, width, channels)` uint8 below `levels`.
        levels: The number of values of a pixel.
        source: In words, where the images came from.
        labels: By split, `(n,)` codes of `classes`, or None.
        classes: The names of the classes.
    """

    parts: Mapping[str, np.ndarray]
    levels: int
    source: str
    labels: Mapping[str, np.ndarray] | None = None
    classes: tuple[str, ...] = ()


def as_dataset(name: str, images: Images, pixels: str, labels: bool, seed: int, sizes: Mapping[str, int | None]) -> Dataset:
    """Turn `images` into a `Dataset`.

    Args:
        name: The name of the dataset.
        images: The images by split.
        pixels: "discrete" keeps whole numbers, and "continuous" dequantises them to (-1, 1).
        labels: Make the class of each image its condition, one-hot.
        seed: The seed of the dequantisation.
        sizes: The most images of each split; None takes all of them.

    Raises:
        DataError: `pixels` is another word, or labels are asked for that are absent or all equal.
    """
    if pixels not in PIXELS:
        raise DataError(f"load: pixels={pixels!r}; accepted: {' or '.join(map(repr, PIXELS))}.")
    x, cond = {}, dict.fromkeys(SPLITS)
    for stream, split in enumerate(SPLITS):
        whole = images.parts[split][: sizes.get(split)]
        x[split] = (
            whole.astype(np.float32) if pixels == "discrete" else dequantise(np.random.default_rng([stream, seed]), whole, images.levels)
        )
    categories = None
    if labels:
        categories, codes = _labelled(name, images)
        cond = {split: categories.one_hot(codes[split][: sizes.get(split)]).astype(np.float32) for split in SPLITS}
    half = np.float64(images.levels / 2)
    return Dataset(
        name,
        x["train"],
        x["valid"],
        x["test"],
        train_cond=cond["train"],
        valid_cond=cond["valid"],
        test_cond=cond["test"],
        schema=None if categories is None else Schema((), (Column(categories.name, "category", categories.labels),)),
        units=None if pixels == "discrete" else Units(np.asarray(half), np.asarray(half)),
        levels=images.levels,
        source=images.source,
    )


def dequantise(rng: np.random.Generator, pixels: np.ndarray, levels: int) -> np.ndarray:
    """Dequantise pixels: map them to `2 (pixel + u) / levels - 1` in (-1, 1) with u uniform on (0, 1), float32.

    `floor(levels (x + 1) / 2)` is the pixel again, also after the rounding to float32. The density of the continuous values bounds the
    probability of D whole numbers: `log P >= E_u log p(x) + D log(2 / levels)`.

    Args:
        rng: The generator of u.
        pixels: Whole numbers `(n, ...)` in 0 ... levels - 1.
        levels: The number of values of a pixel, at most 256.

    Source: arXiv 1511.01844.

    >>> x = dequantise(np.random.default_rng(0), np.array([[0, 1, 3]]), 4)
    >>> np.floor(4 * (x + 1) / 2).astype(int).tolist()
    [[0, 1, 3]]
    """
    values = np.empty(pixels.shape, np.float32)
    for start in range(0, len(pixels), _ROWS):
        rows = pixels[start : start + _ROWS]
        # On midpoints of 2^16 cells of (0, 1): float32 holds them exactly beside 256 levels, so that none is rounded onto an edge.
        u = (rng.integers(0, 2**16, rows.shape, np.uint16) + 0.5) / 2**16
        values[start : start + _ROWS] = 2 * (rows + u) / levels - 1
    return values


def whole_pixels(where: str, array: np.ndarray) -> tuple[np.ndarray, int]:
    """Return an array of images as uint8 with channels, and its levels: 256, or 2 for booleans.

    Args:
        where: The beginning of an error's text, such as the file.
        array: Images `(n, height, width)` or `(n, height, width, channels)`: unsigned bytes, floats k / 255 in [0, 1], or booleans.

    Raises:
        DataError: The shape, the dtype or a value is another one. The message names the first such image.
    """
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        hint = "; the channels come last: np.moveaxis(x, 1, -1)" if array.ndim == 4 and array.shape[1] in (1, 3) else ""
        hint = "; 4 channels: drop the transparency" if not hint and array.ndim == 4 and array.shape[-1] == 4 else hint
        raise DataError(
            f"{where}shape {array.shape}; accepted: (n, height, width) or (n, height, width, channels) with 1 or 3 channels{hint}."
        )
    if array.dtype.kind == "b":
        return array.astype(np.uint8), 2
    if array.dtype.kind not in "uif":
        raise DataError(f"{where}dtype {array.dtype}; accepted: unsigned bytes, floats in [0, 1], or booleans.")
    if array.dtype.kind == "f":
        array = _bytes_of_floats(where, array)
    elif array.dtype != np.uint8:
        _refuse(where, array, (array < 0) | (array > 255), "whole numbers from 0 to 255")
    return np.asarray(array, np.uint8), 256


def _bytes_of_floats(where: str, array: np.ndarray) -> np.ndarray:
    _refuse(where, array, ~((array >= 0) & (array <= 1)), "floats in [0, 1]")
    scaled = array.astype(np.float64) * 255
    whole = np.rint(scaled)
    # Interpolated, blurred or noisy images are not pixels; rounding them in silence would change the data.
    allowed = max(_GRID, 255 * float(np.finfo(array.dtype).eps))
    _refuse(
        where,
        array,
        np.abs(scaled - whole) > allowed,
        "multiples of 1 / 255, or np.rint(255 * x).astype(np.uint8) for augmented images",
    )
    return whole


def _refuse(where: str, array: np.ndarray, bad: np.ndarray, accepted: str) -> None:
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(f"{where}image {place[0] + 1} has the value {array[place]:g}; accepted: {accepted}.")


def _labelled(name: str, images: Images) -> tuple[Categories, Mapping[str, np.ndarray]]:
    if images.labels is None:
        raise DataError(f"load: labels=True with {name}; accepted: False, because there are no labels.")
    for split in SPLITS:
        if len(images.labels[split]) != len(images.parts[split]):
            raise DataError(
                f"{name}: {len(images.parts[split])} images and {len(images.labels[split])} labels ({split}); accepted: one each."
            )
    codes: list[int] = np.unique(np.concatenate([images.labels[split] for split in SPLITS])).tolist()
    if len(codes) < 2:
        only = images.classes[codes[0]] if codes else "none"
        raise DataError(f"{name}: all labels are one class ({only}); accepted: at least two classes, or labels=False.")
    if codes[0] < 0 or codes[-1] >= len(images.classes):
        raise DataError(f"{name}: labels run from {codes[0]} to {codes[-1]}; accepted: 0 to {len(images.classes) - 1}.")
    return Categories("label", images.classes), images.labels
