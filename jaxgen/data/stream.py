"""Batches of images that do not fit memory, read by threads, shuffled anew each epoch and placed on the device ahead of the step."""

import collections
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import jax
import numpy as np
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.data.pictures import Size, alike, decode, list_files
from jaxgen.data.pixels import PIXELS, dequantise, whole_pixels
from jaxgen.data.tables import DataError, MissingExtra
from jaxgen.objective import Batch
from jaxgen.types import PyTree


class Items(Protocol):
    """Anything with a length whose items are single images."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> ArrayLike: ...


def stream(
    source: str | os.PathLike[str] | Items,
    batch_size: int,
    *,
    pixels: str = "continuous",
    labels: bool = False,
    size: Size = None,
    seed: int = 0,
    num_epochs: int | None = None,
    num_threads: int = 8,
    prefetch: int = 2,
    sharding: jax.sharding.Sharding | None = None,
) -> Iterator[Batch]:
    """Iterate over batches of images on the device, which are read when they are needed.

    Images are shuffled and dequantised anew each epoch. The images left over after the last full batch are dropped.

    Args:
        source: A folder of .png and .jpg images, a .npy array of images (mapped, not loaded), or anything with a length whose items are
            single images (height, width[, channels]), such as a reader of an archive.
        batch_size: The number of images of a batch, on all processes together.
        pixels: "continuous" or "discrete", as for `load`.
        labels: Make the class of each image its condition, one-hot in the order of the sorted names of subfolders.
        size: For a folder, the side or (height, width) to which all images are brought.
        seed: The seed of the order and of the dequantisation.
        num_epochs: How often each image comes. None repeats them for ever.
        num_threads: The number of readers; each reads whole batches.
        prefetch: The number of batches that are on their way to the device while one is in use.
        sharding: Where batches are placed, such as `jax.sharding.NamedSharding(mesh, PartitionSpec("data"))`. If it has devices of all
            processes, each process reads its share of every batch. None takes the default device.

    Returns:
        An iterator of `Batch`es with `x` `(batch_size, height, width, channels)` float32, as `load` gives them.

    Raises:
        MissingExtra: grain is not installed.
        DataError: The source cannot be used; on the batch that holds it, an item is no image.
        ValueError: A count is not in its range.

    Training from a stream is the loop that `fit` runs for arrays in memory; sampling takes `state.ema`, the moving average of params:

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
        raise MissingExtra('stream: grain is not installed; accepted: an environment with it, pip install "jaxgen[data]".') from None
    if pixels not in PIXELS:
        raise DataError(f"stream: pixels={pixels!r}; accepted: {' or '.join(map(repr, PIXELS))}.")
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("num_threads", num_threads, 0),
        ("prefetch", prefetch, 0),
        ("seed", seed, 0),
    ):
        checks.count(f"stream: {name}", value, least)
    if num_epochs is not None:
        checks.count("stream: num_epochs", num_epochs)
    read, count, one_hot = _reader(source, size, labels)
    if count * (num_epochs or count) < batch_size:
        raise DataError(f"stream: batch_size={batch_size}; accepted: at most {count * (num_epochs or count)}, the images in all epochs.")

    def element(index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        x, levels = read(int(index))
        x = x.astype(np.float32) if pixels == "discrete" else dequantise(rng, x, levels)
        return {"x": x} if one_hot is None else {"x": x, "cond": one_hot[index]}

    order = grain.MapDataset.range(count).seed(seed).shuffle().repeat(num_epochs)
    shares, share = (1, 0) if sharding is None or sharding.is_fully_addressable else (jax.process_count(), jax.process_index())
    if batch_size % shares:
        raise DataError(f"stream: batch_size={batch_size}; accepted: a multiple of {shares}, the processes that share a batch.")
    batches = order.random_map(element).batch(batch_size // shares, drop_remainder=True)
    if shares > 1:
        # The pieces of the batch that one process would read, in their order.
        whole = None if num_epochs is None else count * num_epochs // batch_size * shares
        batches = batches[share:whole:shares]
    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=max(1, num_threads))
    return _ahead(iter(batches.to_iter_dataset(options)), prefetch, sharding)


def _ahead(batches: Iterator[dict[str, np.ndarray]], prefetch: int, sharding: jax.sharding.Sharding | None) -> Iterator[Batch]:
    """Transfers are asynchronous: a batch that is placed early arrives while the device computes."""
    queue: collections.deque[Batch] = collections.deque()
    for batch in batches:
        queue.append(Batch(*_placed((batch["x"], batch.get("cond")), sharding)))
        if len(queue) > prefetch:
            yield queue.popleft()
    yield from queue


def _placed(rows: PyTree, sharding: jax.sharding.Sharding | None) -> PyTree:
    if sharding is None or sharding.is_fully_addressable:
        return jax.device_put(rows, sharding)
    return jax.tree.map(lambda a: jax.make_array_from_process_local_data(sharding, a), rows)


def _reader(
    source: str | os.PathLike[str] | Items, size: Size, labels: bool
) -> tuple[Callable[[int], tuple[np.ndarray, int]], int, np.ndarray | None]:
    """Return `index -> (image, levels)`, the number of images, and the one-hot labels by index."""
    if isinstance(source, str | os.PathLike) and Path(source).is_dir():
        files, names = list_files(source, labels)
        first = decode(files[0], size)
        classes, codes = (None, None) if names is None else np.unique(names, return_inverse=True)
        if classes is not None and len(classes) < 2:
            raise DataError(f"{source}: all labels are one class ({classes[0]}); accepted: at least two.")
        one_hot = None if classes is None or codes is None else np.eye(len(classes), dtype=np.float32)[codes]
        return lambda i: (alike(files[i], decode(files[i], size), files[0], first.shape), 256), len(files), one_hot
    if labels or size is not None:
        raise DataError(f"stream: labels={labels!r}, size={size!r}; accepted: False and None, because they are for folders of images.")
    items = _mapped(os.fspath(source)) if isinstance(source, str | os.PathLike) else source
    try:
        count = len(items)
    except TypeError:
        raise DataError(f"stream: source={source!r}; accepted: a folder, a .npy file or something with a length and items.") from None

    def read(index: int) -> tuple[np.ndarray, int]:
        pixels, levels = whole_pixels(f"image {index + 1} of the source: ", np.asarray(items[index])[None])
        return pixels[0], levels

    return read, count, None


def _mapped(path: str) -> np.ndarray:
    if not path.lower().endswith(".npy"):
        raise DataError(f"stream: source={path!r}; accepted: a folder of images or a .npy file; an .npz cannot be read in part.")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({error}); accepted: an undamaged .npy file.") from error
    if array.ndim not in (3, 4):
        raise DataError(f"{path}: shape {array.shape}; accepted: (n, height, width) or (n, height, width, channels).")
    return array
