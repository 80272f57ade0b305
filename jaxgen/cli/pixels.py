"""What a run of images says of its pixels and classes: samples as bytes, pictures of them, and conditions by the names of classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgen import checks, zoo
from jaxgen.atomic import replacing
from jaxgen.data import Dataset
from jaxgen.training import Entry

LEVELS = 256
"""The number of values of a pixel, if a run from before this file says nothing of it."""


def image_facts(dataset: Dataset) -> dict[str, Any]:
    """Return what a run folder keeps of the images that it is trained on: the number of levels, and the names of the classes.

    Args:
        dataset: The images.
    """
    labels = [] if dataset.schema is None else [label for column in dataset.schema.cond for label in column.labels]
    return {"levels": dataset.levels, "classes": labels}


def classes_of(entry: Entry) -> list[str]:
    """Return the names of the classes that a model of images takes as its condition, in the order of its one-hot numbers; [] for none."""
    return [str(name) for name in entry.card.config.get("images", {}).get("classes", [])]


def levels_of(entry: Entry) -> int:
    """Return the number of values of a pixel of a model of images."""
    config = entry.card.config
    return int(config.get("images", {}).get("levels") or config.get("options", {}).get("levels") or LEVELS)


def labelled(entry: Entry, names: Sequence[str], num: int, cond: Path | None = None) -> np.ndarray:
    """Return one-hot conditions for classes, which take turns.

    Args:
        entry: The entry of a model of images with labels.
        names: The names of the classes.
        num: The number n of conditions.
        cond: The file of conditions that was given beside the names, which is refused.

    Returns:
        Conditions `(n, classes)`, float32.

    Raises:
        ValueError: The model was trained without labels, a name is no class of it, or `cond` is given too.
    """
    classes = classes_of(entry)
    if cond is not None:
        raise ValueError(f"--label {' '.join(names)} --cond {cond}: both are given; accepted: one of the two.")
    if not classes:
        trained = "jaxgen train --labels with images in folders, or with labels in their file"
        raise ValueError(f"--label {' '.join(names)}: this model was trained without labels; accepted: a model of {trained}.")
    for name in names:
        if name not in classes:
            raise ValueError(f"--label {name}: accepted: {', '.join(classes)}.{checks.closest(name, classes)}")
    codes = np.array([classes.index(name) for name in names])
    return np.eye(len(classes), dtype=np.float32)[codes[np.arange(num) % len(codes)]]


def whole(entry: Entry, x: np.ndarray) -> np.ndarray:
    """Return samples of images as whole-numbered pixels.

    Args:
        entry: The entry of the model.
        x: Samples `(n, height, width, channels)` in units of pixels. A model of continuous pixels gives the pixel and a uniform part of one.

    Returns:
        The pixels, uint8 in 0 ... levels - 1.
    """
    continuous = zoo.pixels(entry.card.config["name"]) == "continuous"
    return np.clip(np.floor(x) if continuous else np.rint(x), 0, levels_of(entry) - 1).astype(np.uint8)


def write_images(path: Path, x: np.ndarray, levels: int) -> None:
    """Write images as an array of bytes in .npy or .npz, or side by side as a .png.

    Args:
        path: The file; its ending decides the form.
        x: Images `(n, height, width, channels)`, uint8.
        levels: The number of values of a pixel; the largest one is white in a .png.
    """
    with replacing(path) as part, part.open("wb") as file:
        if path.suffix == ".png":
            # Matplotlib takes a second to import, which arrays do not need.
            from jaxgen.viz import grid_png

            file.write(grid_png(x, levels))
        elif path.suffix == ".npz":
            np.savez(file, allow_pickle=False, x=x)
        else:
            np.save(file, x, allow_pickle=False)
