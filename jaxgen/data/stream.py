"""Batches of images that do not fit memory, read by threads, shuffled anew each epoch and placed on the device ahead of the step."""

import collections
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgen.data.files import whole
from jaxgen.data.pictures import Size, alike, decode, list_files
from jaxgen.data.pixels import PIXELS, dequantise, whole_pixels
from jaxgen.data.tables import DataError, MissingExtra
from jaxgen.objective import Batch


def stream(
    source: str | os.PathLike[str] | Sequence[Any],
    batch_size: int,
    *,
    pixels: str = "continuous",
    labels: bool = False,
    size: Size = None,
    seed: int = 0,
    num_epochs: int | None = None,
    num_threads: int = 8,
    prefetch: int = 2,
    sharding: Any = None,
) -> Iterator[Batch]:
    """An iterator of `Batch`es on the device, `x` (batch_size, height, width, channels) float32 as `load` gives them, read when needed.

    source: a folder of .png and .jpg images, a .npy array of images (mapped, not loaded), or anything with a length whose items are single
            images (height, width[, channels]), such as a reader of an archive; items are what `load` takes for pixels.
    pixels, labels, size: as for `load`; labels of a folder are one-hot in the order of the sorted names. Dequantised afresh each epoch.
    seed:   fixes the order, which is another one each epoch, and the dequantisation.
    num_epochs: how often each image comes; for ever unless told. The images left over after the last full batch are dropped.
    num_threads: readers, each of which makes whole batches.  prefetch: batches on their way to the device while one is in use.
    sharding: where batches are placed, such as `jax.sharding.NamedSharding(mesh, PartitionSpec("batch"))`; the default device otherwise.

    Raises MissingExtra without grain, DataError for what is no image (on the batch that holds it) and for arguments out of range.

    Training from it is the loop that `fit` makes for arrays in memory; sampling takes `state.ema`, the moving average of the params::

        batches = jaxgen.data.stream("photographs/", 64, size=64)
        entry = jaxgen.zoo.build("ddpm", event_shape=(64, 64, 3))
        state = jaxgen.training.init_state(jax.random.key(0), entry, next(batches), num_steps)
        step = jax.jit(jaxgen.training.make_step(entry, num_steps), donate_argnums=0)
        for i, batch in zip(range(num_steps), batches):
            state, metrics = step(state, batch, jax.random.fold_in(jax.random.key(1), i))
        x = jaxgen.sample(jax.random.key(2), entry.model, state.ema, 16)
    """
    try:
        import grain
    except ImportError:
        raise MissingExtra('stream: reading what does not fit memory needs grain: pip install "jaxgen[data]"') from None
    if pixels not in PIXELS:
        raise DataError(f"pixels={pixels!r}: expected {' or '.join(map(repr, PIXELS))}")
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("num_threads", num_threads, 0),
        ("prefetch", prefetch, 0),
        ("seed", seed, 0),
    ):
        whole(name, value, least)
    if num_epochs is not None:
        whole("num_epochs", num_epochs, 1)
    read, count, one_hot = _reader(source, size, labels)
    if count * (num_epochs or count) < batch_size:
        raise DataError(f"batch_size={batch_size}: there are {count} images, not enough for one batch")

    def element(index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        x, levels = read(int(index))
        x = x.astype(np.float32) if pixels == "discrete" else dequantise(rng, x, levels)
        return {"x": x} if one_hot is None else {"x": x, "cond": one_hot[index]}

    order = grain.MapDataset.range(count).seed(seed).shuffle().repeat(num_epochs)
    batches = order.random_map(element).batch(batch_size, drop_remainder=True)
    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=max(1, num_threads))
    return _ahead(iter(batches.to_iter_dataset(options)), prefetch, sharding)


def _ahead(batches: Iterator[dict[str, np.ndarray]], prefetch: int, sharding: Any) -> Iterator[Batch]:
    """Transfers are asynchronous: a batch that is placed early arrives while the device computes."""
    queue: collections.deque[Batch] = collections.deque()
    for batch in batches:
        queue.append(jax.device_put(Batch(batch["x"], batch.get("cond")), sharding))
        if len(queue) > prefetch:
            yield queue.popleft()
    yield from queue


def _reader(source: Any, size: Size, labels: bool) -> tuple[Callable[[int], tuple[np.ndarray, int]], int, np.ndarray | None]:
    """`index -> (image, levels)`, how many there are, and the one-hot labels by index."""
    if isinstance(source, str | os.PathLike) and Path(source).is_dir():
        files, found = list_files(source, labels)
        first = decode(files[0], size)
        classes, codes = (None, None) if found is None else np.unique(found, return_inverse=True)
        if classes is not None and len(classes) < 2:
            raise DataError(f"{source}: all labels are one class ({classes[0]}); a condition needs an alternative")
        one_hot = None if classes is None or codes is None else np.eye(len(classes), dtype=np.float32)[codes]
        return lambda i: (alike(files[i], decode(files[i], size), files[0], first.shape), 256), len(files), one_hot
    if labels or size is not None:
        raise DataError(f"labels={labels!r}, size={size!r}: for folders of images only")
    if isinstance(source, str | os.PathLike):
        source = _mapped(os.fspath(source))
    try:
        count = len(source)
    except TypeError:
        raise DataError(f"source={source!r}: expected a folder, a .npy file or something with a length and items") from None

    def read(index: int) -> tuple[np.ndarray, int]:
        pixels, levels = whole_pixels(f"image {index + 1} of the source: ", np.asarray(source[index])[None])
        return pixels[0], levels

    return read, count, None


def _mapped(path: str) -> np.ndarray:
    if not path.lower().endswith(".npy"):
        raise DataError(f"{path}: expected a folder of images or a .npy file; an .npz cannot be read in part")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if array.ndim not in (3, 4):
        raise DataError(f"{path}: shape {array.shape}; expected (n, height, width) or (n, height, width, channels)")
    return array
