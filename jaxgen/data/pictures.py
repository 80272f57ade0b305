"""The user's own images: a folder of png and jpeg files, or an array file."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from jaxgen.data.files import FEWEST, share, whole
from jaxgen.data.pixels import SPLITS, Images, whole_pixels
from jaxgen.data.tables import DataError, MissingExtra

if TYPE_CHECKING:
    from PIL import Image

ENDINGS = (".png", ".jpg", ".jpeg")
GREY, COLOUR = ("1", "L"), ("RGB", "P")
Size = int | tuple[int, int] | None


def holds_images(path: str | os.PathLike[str]) -> bool:
    """Return whether `path` is a folder, or a .npy or .npz file whose array has three or more axes. Only the header is read."""
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
    except Exception:  # numpy, zipfile, tokenize and zlib raise a dozen types; the reader of tables says what is wrong with the file
        return False
    return False


def load_pictures(path: str, size: Size, seed: int, labels: bool) -> Images:
    """Load a folder of images or an array file, split 80/10/10 at random.

    A folder holds .png and .jpg files, directly or one level below. If one image has colour, all become RGB. An array is
    `(n, height, width)` or `(n, height, width, channels)` of unsigned bytes, floats k / 255 in [0, 1] or booleans; an .npz holds it alone
    or as `x`, beside `labels` `(n,)` of whole numbers or text.

    Args:
        path: The folder or the file.
        size: For a folder, the side or (height, width) to which all images are brought (see `decode`). None needs images of one size.
        seed: The seed of the split.
        labels: Read the classes: the subfolders of a folder, or the array `labels`.

    Raises:
        DataError: The images cannot be read, are of unequal size, all constant, or fewer than ten.
        MissingExtra: pillow is not installed.
    """
    if Path(path).is_dir():
        files, names = list_files(path, labels)
        x, levels = _together(files, size), 256
    else:
        x, levels, names = _arrays(path, labels)
        if size is not None:
            raise DataError(
                f"load: size={size!r} with {path}; accepted: None, because it is for folders; this array has images of {x.shape[1]} by {x.shape[2]}."
            )
    if len(x) < FEWEST:
        raise DataError(f"{path}: has {len(x)} images; accepted: at least {FEWEST}, to train, validate and test on.")
    if x.min() == x.max():
        raise DataError(f"{path}: every pixel of every image is {x.flat[0]}; accepted: images that vary.")
    rows = share(len(x), seed, {})
    parts = {split: x[rows[split]] for split in SPLITS}
    if names is None:
        return Images(parts, levels, path)
    classes, codes = np.unique(np.asarray(names), return_inverse=True)
    return Images(parts, levels, path, {split: codes[rows[split]] for split in SPLITS}, tuple(str(c) for c in classes))


def list_files(folder: str | os.PathLike[str], labels: bool) -> tuple[list[Path], list[str] | None]:
    """List the images of a folder and, with `labels`, the subfolder of each image.

    Args:
        folder: A folder with images, directly or one level below.
        labels: Return the names of the subfolders too.

    Returns:
        Sorted paths, and the class of each path or None.

    Raises:
        DataError: There are no images, or with `labels` an image lies in no subfolder.
    """
    root = Path(folder)
    files = sorted(p for pattern in ("*", "*/*") for p in root.glob(pattern) if p.suffix.lower() in ENDINGS and not p.name.startswith("."))
    if not files:
        raise DataError(f"{folder}: holds no images; accepted: {', '.join(ENDINGS)} files, in it or in a folder in it.")
    if not labels:
        return files, None
    loose = [p for p in files if p.parent == root]
    if loose:
        raise DataError(f"{loose[0]}: lies in no class; accepted with labels: images in subfolders that are named after their class.")
    return files, [p.parent.name for p in files]


def decode(path: str | os.PathLike[str], size: Size = None) -> np.ndarray:
    """Read one image file as `(height, width, 1 or 3)` uint8, turned as its EXIF data says.

    Args:
        path: The file.
        size: A side or (height, width): the largest centred piece of that aspect is resampled bicubically. None keeps the size.

    Raises:
        DataError: The file is damaged, or has transparency, more than 8 bits or another colour model than grey and RGB.
        MissingExtra: pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise MissingExtra(f"{path}: pillow is not installed; accepted: an environment with it, pip install pillow.") from None
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            mode = image.mode
            if mode not in GREY + COLOUR or "transparency" in image.info:
                what = "transparency" if mode in ("LA", "PA", "RGBA") or "transparency" in image.info else f"pixels of mode {mode}"
                raise DataError(f"{path}: has {what}; accepted: 8-bit grey or RGB.")
            image = image.convert("L" if mode in GREY else "RGB")
            if size is not None:
                image = _resized(image, *_sides(size), Image.Resampling.BICUBIC)
            array = np.asarray(image)
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image ({error}); accepted: an image file that pillow reads.") from error
    return array[..., None] if array.ndim == 2 else array


def alike(path: object, image: np.ndarray, first: object, shape: Sequence[int]) -> np.ndarray:
    """Return `image` with the number of channels in `shape`.

    Args:
        path: The image's name in an error.
        image: `(height, width, channels)`.
        first: The name of the image that determined `shape`.
        shape: The shape that all images have.

    Raises:
        DataError: The sides differ, or the image has colour and `shape` has not.
    """
    if image.shape[:2] != tuple(shape[:2]):
        raise DataError(
            f"{path}: is {image.shape[0]} by {image.shape[1]} pixels, {first} is {shape[0]} by {shape[1]}; accepted: images of one size, or size=."
        )
    if image.shape[2] > shape[2]:
        raise DataError(f"{path}: has colour, {first} is grey; accepted: all alike.")
    return np.broadcast_to(image, (*image.shape[:2], shape[2]))


def _resized(image: "Image.Image", height: int, width: int, method: "Image.Resampling") -> "Image.Image":
    """Cut out the largest centred piece of the wanted aspect, so that nothing outside bleeds in, then resample it."""
    wide = max(1, min(image.width, round(image.height * width / height)))
    tall = max(1, min(image.height, round(image.width * height / width)))
    left, top = (image.width - wide) // 2, (image.height - tall) // 2
    return image.crop((left, top, left + wide, top + tall)).resize((width, height), method)


def _together(files: Sequence[Path], size: Size) -> np.ndarray:
    images = [decode(path, size) for path in files]
    shape = (*images[0].shape[:2], max(image.shape[2] for image in images))
    return np.stack([alike(path, image, files[0], shape) for path, image in zip(files, images, strict=True)])


def _arrays(path: str, labels: bool) -> tuple[np.ndarray, int, np.ndarray | None]:
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {"": loaded} if isinstance(loaded, np.ndarray) else {key: loaded[key] for key in loaded.files}
    except Exception as error:  # numpy and zipfile raise half a dozen types for a damaged file
        raise DataError(f"{path}: cannot be read ({error}); accepted: an undamaged .npy or .npz file.") from error
    names = arrays.pop("labels", None)
    if len(arrays) != 1:
        raise DataError(f"{path}: holds the arrays {', '.join(arrays)}; accepted: x and optionally labels, or a single array.")
    ((key, x),) = arrays.items()
    x, levels = whole_pixels(f"{path}: {f'array {key}: ' if key else ''}", x)
    if names is None:
        return x, levels, None
    if names.shape != (len(x),) or names.dtype.kind not in "buiU":
        raise DataError(
            f"{path}: array labels: {names.dtype} of shape {names.shape}; accepted: whole numbers or text of shape ({len(x)},)."
        )
    return x, levels, names if labels else None


def _shape(file: IO[bytes]) -> tuple[int, ...]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)[0]


def _sides(size: Size) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int | np.integer) else size
    if not isinstance(sides, Sequence) or len(sides) != 2:
        raise DataError(f"load: size={size!r}; accepted: a side, or (height, width), integers of at least 1.")
    for side in sides:
        whole("load: size", side, 1)
    return sides[0], sides[1]
