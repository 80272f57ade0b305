"""Characters of a text as codes: windows of one length, split by place in the text."""

import builtins
import os
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import numpy as np

from jaxgen import checks
from jaxgen.data.dataset import Dataset
from jaxgen.data.tables import DataError

LENGTH = 64
"""The default number of characters of an event."""
PACKAGES = ("numpy", "scipy", "matplotlib", "jaxlib")
"""Packages that jaxgen needs, whose licences stand behind Python's own in the default text."""
SHARES = {"train": (0.0, 0.8), "valid": (0.8, 0.9), "test": (0.9, 1.0)}


def load_text(name: str, length: int, seed: int, sizes: Mapping[str, int | None]) -> Dataset:
    """Load the characters of a text as events of codes.

    The first 80 % of the text are for training, the next 10 % for validation and the last 10 % for the test. Training windows start at
    random places and overlap; the others stand side by side.

    Args:
        name: "text" for the licence texts that Python and the packages of jaxgen ship, or the path of a UTF-8 file.
        length: The number of characters of an event.
        seed: The seed of the training windows' order.
        sizes: The most windows of each split; None takes all.

    Returns:
        A `Dataset` of float32 codes; `decode_text` gives samples back as text.

    Raises:
        DataError: The file cannot be read, is too short or has a single character, or validation or test have a character that
            training has not.
    """
    checks.count("load: length", length, 2)
    text, source = _licences() if name == "text" else (_read(name), name)
    parts = {split: text[int(a * len(text)) : int(b * len(text))] for split, (a, b) in SHARES.items()}
    if min(map(len, parts.values())) < length:
        raise DataError(f"{name}: {len(text)} characters; accepted: a text whose tenth has {length} characters, or a smaller length=.")
    vocabulary = sorted(set(parts["train"]))
    if len(vocabulary) < 2:
        raise DataError(f"{name}: the vocabulary is {''.join(vocabulary)!r}; accepted: a text of at least two different characters.")
    codes = {split: encode_text(part, vocabulary, name) for split, part in parts.items()}
    starts = np.random.default_rng(seed).permutation(len(codes["train"]) - length + 1)[: sizes["train"]]
    train = np.lib.stride_tricks.sliding_window_view(codes["train"], length)[starts]
    held = {split: codes[split][: len(codes[split]) // length * length].reshape(-1, length)[: sizes[split]] for split in ("valid", "test")}
    title = "text" if name == "text" else Path(name).stem
    return Dataset(title, train, held["valid"], held["test"], levels=len(vocabulary), source=source, vocabulary=tuple(vocabulary))


def encode_text(text: str, vocabulary: list[str], where: str = "text") -> np.ndarray:
    """Return the codes of characters, float32.

    Args:
        text: The characters.
        vocabulary: The known characters, in the order of their codes.
        where: The beginning of an error's text.

    Raises:
        DataError: A character is unknown; the message names it and its place. Or the vocabulary is empty.

    >>> encode_text("abba", ["a", "b"]).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    if not vocabulary:
        raise DataError(f"{where}: the vocabulary is empty; accepted: at least one character.")
    codes = {character: float(k) for k, character in enumerate(vocabulary)}
    unseen = next((i for i, character in enumerate(text) if character not in codes), None)
    if unseen is not None:
        known = "".join(vocabulary)
        raise DataError(f"{where}: the character {text[unseen]!r} at place {unseen} was never seen in training; accepted: {known!r}.")
    return np.array([codes[character] for character in text], np.float32)


def decode_text(x: np.ndarray, dataset: Dataset) -> list[str]:
    """Return events of codes as text.

    Args:
        x: Codes `(n, length)`.
        dataset: The data set that `load` made of the text.

    Raises:
        DataError: The data set is no text, or a number is no code of its vocabulary.
    """
    labels, values = np.array(dataset.vocabulary or ()), np.asarray(x)
    if not labels.size:
        raise DataError(f"decode_text: dataset={dataset.name!r}; accepted: a data set of a text, which has a vocabulary.")
    codes = np.isin(values, np.arange(labels.size))
    if not codes.all():
        wrong = values[~codes][0]
        raise DataError(f"decode_text: x holds {wrong.item()!r}; accepted: the codes 0 to {labels.size - 1} of the vocabulary.")
    return ["".join(labels[row.astype(int)]) for row in values]


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{name}: cannot be read as UTF-8 text ({error}); accepted: the path of a text file.") from None


def _licences() -> tuple[str, str]:
    """The texts in ASCII, without characters that the first half does not have: the parts that are held out have no others then."""
    files = [Path(f) for f in getattr(getattr(builtins, "license", None), "_Printer__filenames", ()) if os.path.isfile(f)][:1]
    for package in PACKAGES:
        found = metadata.files(package) or []
        files += sorted(Path(str(f.locate())) for f in found if "LICENSE" in f.name.upper() and str(f).endswith(("LICENSE", ".txt")))
    text = "\n".join(f.read_text(encoding="utf-8", errors="ignore") for f in files if f.is_file())
    if not text:
        raise DataError("text: no licence text is installed; accepted: the path of a text file.")
    ascii_only = "".join(c for c in text if c == "\n" or " " <= c <= "~")
    kept = set(ascii_only[: len(ascii_only) // 2])
    return "".join(c for c in ascii_only if c in kept), "licence texts of " + ", ".join(("Python", *PACKAGES))
