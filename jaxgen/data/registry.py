"""Named datasets and paths behind one `load`; `draw` for fresh samples."""

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from jaxgen.data import digits
from jaxgen.data.curves import swiss_roll, two_moons, two_spirals
from jaxgen.data.dataset import Dataset, Units
from jaxgen.data.files import SUFFIXES, DataError, load_file, share, whole
from jaxgen.data.grids import checkerboard
from jaxgen.data.mixtures import eight_gaussians, gaussian_mixture
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
"""Every name that `load` and `draw` know."""

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
) -> Dataset:
    """A dataset by name (one of `NAMES`) or the path of a .npy, .npz, .csv or .parquet table.

    num_*:   rows of each split. Named densities draw 50,000, 5,000 and 10,000 unless told; digits (1,797 rows) and files are split
             80/10/10 at random and keep at most this many of each share, all of it unless told.
    seed:    fixes draws, splits and the dequantisation; the splits are independent of each other's sizes and of `draw`.
    columns, cond_columns: for files, which columns are the event and which the condition (see `load_file`).
    discrete: for files, which of those columns hold categories: codes in the event, one-hot in the condition.
    dim:     for `gaussian_mixture`, the number of coordinates.

    Raises DataError (a ValueError) for an unknown name, a file that cannot be used, or an option that does not apply.
    """
    sizes = {"train": num_train, "valid": num_valid, "test": num_test}
    for split, size in sizes.items():
        if size is not None:
            whole(f"num_{split}", size, least=1)
    whole("seed", seed, least=0)
    name = os.fspath(name_or_path)
    if dim != 2 and name != "gaussian_mixture":
        raise DataError(f"dim={dim!r}: only gaussian_mixture has a choice of dimension, not {name!r}")
    if name not in NAMES and Path(name).suffix.lower() in SUFFIXES:
        return load_file(name, seed=seed, columns=columns, cond_columns=cond_columns, discrete=discrete, sizes=sizes)
    _known(name)
    if columns is not None or cond_columns is not None or discrete is not None:
        raise DataError(
            f"columns={columns!r}, cond_columns={cond_columns!r}, discrete={discrete!r}: only files have columns to choose, not {name!r}"
        )
    if name == "digits":
        return _digits(seed, sizes)
    source = _source(name, dim)
    defaults = {"train": 50_000, "valid": 5_000, "test": 10_000}
    train, valid, test = (_draw(source.sample, split, seed, sizes[split] or default) for split, default in defaults.items())
    return Dataset(name, train, valid, test, source.log_prob, source.score, source.entropy, source.mode, source.mode_weights)


def draw(name: str, seed: int, n: int, *, dim: int = 2) -> np.ndarray:
    """n fresh points (n, d) float32 of a named dataset, independent of what `load` returns for any seed.

    For `digits`, which has no more than its 1,797 images, these are drawn with replacement from all of them and dequantised afresh.
    Raises DataError for an unknown name.
    """
    _known(name)
    whole("seed", seed, least=0)
    whole("n", n, least=0)
    return _draw(digits.sample if name == "digits" else _source(name, dim).sample, "draw", seed, n)


def _known(name: str) -> None:
    if name not in NAMES:
        raise DataError(f"no dataset {name!r}: expected one of {', '.join(NAMES)}, or the path of a {', '.join(SUFFIXES)} file")


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
