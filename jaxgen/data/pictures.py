"""The user's own images: a folder of png and jpeg files, or an array file."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgen.data.files import FEWEST, share
from jaxgen.data.pixels import SPLITS, Images, whole_pixels
from jaxgen.data.tables import DataError, MissingExtra

ENDINGS = (".png", ".jpg", ".jpeg")
GREY, COLOUR = ("1", "L"), ("RGB", "P")
Size = int | tuple[int, int] | None


def holds_images(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a folder, or a .npy or .npz file whose array has three or more axes (its header alone is read)."""
    path = Path(path)
    if path.is_dir():
        return True
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                return len(_shape(file)) >= 3
        if path.suffix.lower() == ".npz":
            with (
                zipfile.ZipFile(path) as archive,
                archive.open("x.npy" if "x.npy" in archive.namelist() else archive.namelist()[0]) as file,
            ):
                return len(_shape(file)) >= 3
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile):
        return False  # the reader of tables says what is wrong with it
    return False


def load_pictures(path: str, size: Size, seed: int, labels: bool) -> Images:
    """A folder or an array file as `Images`, split 80/10/10 at random by `seed`.

    Folder: .png and .jpg files, in it or one level below; with `labels` the subfolders are the classes. Where one has colour, all are RGB.
    All are of one size, or brought to `size` (see `decode`).
    Array: (n, height, width) or (n, height, width, channels), unsigned bytes, floats k / 255 in [0, 1] or booleans; in an .npz alone or as
    `x`, beside `labels` (n,) of whole numbers or text.

    Raises DataError, naming the file, for what cannot be read, of unequal size, constant or fewer than ten; MissingExtra without pillow.
    """
    if Path(path).is_dir():
        files, found = list_files(path, labels)
        x, levels = _together(files, size), 256
    else:
        x, levels, found = _arrays(path, labels)
        if size is not None:
            raise DataError(f"{path}: size={size!r} is for folders of images; this array has images of {x.shape[1]} by {x.shape[2]}")
    if len(x) < FEWEST:
        raise DataError(f"{path}: has {len(x)} images; at least {FEWEST} are needed to train, validate and test on")
    if x.min() == x.max():
        raise DataError(f"{path}: every pixel of every image is {x.flat[0]}; a density needs images that vary")
    rows = share(len(x), seed, {})
    parts = {split: x[rows[split]] for split in SPLITS}
    if found is None:
        return Images(parts, levels, path)
    classes, codes = np.unique(np.asarray(found), return_inverse=True)
    return Images(parts, levels, path, {split: codes[rows[split]] for split in SPLITS}, tuple(str(c) for c in classes))


def list_files(folder: str | os.PathLike[str], labels: bool) -> tuple[list[Path], list[str] | None]:
    """The images of a folder, sorted, and, with `labels`, the name of each one's subfolder. DataError where there are none or no classes."""
    root = Path(folder)
    files = sorted(p for pattern in ("*", "*/*") for p in root.glob(pattern) if p.suffix.lower() in ENDINGS and not p.name.startswith("."))
    if not files:
        raise DataError(f"{folder}: holds no {', '.join(ENDINGS)} file, nor does a folder in it")
    if not labels:
        return files, None
    loose = [p for p in files if p.parent == root]
    if loose:
        raise DataError(f"{loose[0]}: lies in no class; with labels every image is in a subfolder named after its class")
    return files, [p.parent.name for p in files]


def decode(path: str | os.PathLike[str], size: Size = None) -> np.ndarray:
    """One image file as (height, width, 1 or 3) uint8, turned as its EXIF data says.

    size: a side, or (height, width): the largest centred piece of that aspect, resampled bicubically. Raises DataError for a file that is
    damaged, or has transparency, more than 8 bits or another colour model than grey and RGB.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise MissingExtra(f"{path}: reading images needs pillow: pip install pillow") from None
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            mode = image.mode
            if mode not in GREY + COLOUR or "transparency" in image.info:
                what = "transparency" if mode in ("LA", "PA", "RGBA") or "transparency" in image.info else f"pixels of mode {mode}"
                raise DataError(f"{path}: has {what}; expected 8-bit grey or RGB")
            image = image.convert("L" if mode in GREY else "RGB")
            if size is not None:
                image = _resized(image, *_sides(size), Image.Resampling.BICUBIC)
            array = np.asarray(image)
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image: {error}") from error
    return array[..., None] if array.ndim == 2 else array


def alike(path: Any, image: np.ndarray, first: Any, shape: Sequence[int]) -> np.ndarray:
    """`image` with as many channels as `shape` says. DataError where its size is another, or it has colour and `shape` has none."""
    if image.shape[:2] != tuple(shape[:2]):
        raise DataError(
            f"{path}: is {image.shape[0]} by {image.shape[1]} pixels, {first} is {shape[0]} by {shape[1]}; give size= to bring all to one"
        )
    if image.shape[2] > shape[2]:
        raise DataError(f"{path}: has colour, {first} is grey; save them alike")
    return np.broadcast_to(image, (*image.shape[:2], shape[2]))


def _resized(image: Any, height: int, width: int, method: Any) -> Any:
    """The largest centred piece of the wanted aspect, cut out first so that nothing outside of it bleeds in, then resampled."""
    wide = max(1, min(image.width, round(image.height * width / height)))
    tall = max(1, min(image.height, round(image.width * height / width)))
    left, top = (image.width - wide) // 2, (image.height - tall) // 2
    return image.crop((left, top, left + wide, top + tall)).resize((width, height), method)


def _together(files: Sequence[Path], size: Size) -> np.ndarray:
    images = [decode(path, size) for path in files]
    shape = (*images[0].shape[:2], max(image.shape[2] for image in images))
    return np.stack([alike(path, image, files[0], shape) for path, image in zip(files, images, strict=True)])


def _arrays(path: str, labels: bool) -> tuple[np.ndarray, int, Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {"": loaded} if isinstance(loaded, np.ndarray) else {key: loaded[key] for key in loaded.files}
    except Exception as error:  # numpy and zipfile raise half a dozen types for a damaged file
        raise DataError(f"{path}: cannot be read: {error}") from error
    found = arrays.pop("labels", None)
    if len(arrays) != 1:
        raise DataError(f"{path}: holds the arrays {', '.join(arrays)}; expected x and optionally labels, or a single array")
    ((key, x),) = arrays.items()
    x, levels = whole_pixels(f"{path}: {f'array {key}: ' if key else ''}", x)
    if found is None:
        return x, levels, None
    if found.shape != (len(x),) or found.dtype.kind not in "buiU":
        raise DataError(f"{path}: array labels: {found.dtype} of shape {found.shape}; expected whole numbers or text of shape ({len(x)},)")
    return x, levels, found if labels else None


def _shape(file: Any) -> tuple[int, ...]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)[0]


def _sides(size: Size) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int) else size
    if not isinstance(sides, Sequence) or len(sides) != 2 or any(isinstance(s, bool) or not isinstance(s, int) or s < 1 for s in sides):
        raise DataError(f"size={size!r}: expected a side, or (height, width), whole numbers of at least 1")
    return sides[0], sides[1]
