"""A small classifier of a data set: its features are the space in which images are compared, and it says which class an image has."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.atomic import written_by_jaxgen
from jaxgen.data import Dataset
from jaxgen.nets import Net, classifier
from jaxgen.training import adam, load_arrays, save_arrays
from jaxgen.types import Key, Params

_MAX_SHIFT = 2  # pixels by which a training image is moved at most, if its sides have 16 pixels or more
_BLOCK = 1_000  # images evaluated at once


class Classifier(NamedTuple):
    """A trained classifier of images `(height, width, channels)` in units of pixels.

    Attributes:
        net: The network, which returns logits and features.
        params: Its parameters.
        levels: Number of values of a pixel.
        accuracy: Share of the test images whose class it names.
        num_test: Number of these test images.
        config: JSON from which `load_classifier` rebuilds it.
    """

    net: Net
    params: Params
    levels: int
    accuracy: float
    num_test: int
    config: dict[str, Any]

    def features(self, pixels: ArrayLike) -> np.ndarray:
        """Return the features `(n, num_features)` float64 of images `(n, height, width, channels)` in units of pixels."""
        return self._apply(pixels)[1].astype(np.float64)

    def predict(self, pixels: ArrayLike) -> np.ndarray:
        """Return the class `(n,)` of each image `(n, height, width, channels)` in units of pixels."""
        return self._apply(pixels)[0].argmax(1)

    def agreement(self, pixels: ArrayLike, labels: ArrayLike) -> float:
        """Return the share of images whose predicted class is that of `labels`.

        Args:
            pixels: Images `(n, *event)`, in the values that `predict` takes.
            labels: Class codes `(n,)`, or one-hot rows `(n, num_classes)`.

        Returns:
            A share in [0, 1].
        """
        labels = np.asarray(labels)
        return float(np.mean(self.predict(pixels) == (labels.argmax(1) if labels.ndim == 2 else labels)))

    def _apply(self, pixels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        pixels, shape = np.asarray(pixels), tuple(self.config["event_shape"])
        if pixels.ndim != 4 or pixels.shape[1:] != shape or len(pixels) == 0:
            accepted = f"(n, {', '.join(map(str, shape))}) with n >= 1, the shape of the training images"
            raise ValueError(f"Classifier: pixels=array of shape {pixels.shape}; accepted: {accepted}.")
        if not np.isfinite(pixels).all():
            bad = int((~np.isfinite(pixels)).any((1, 2, 3)).sum())
            raise ValueError(f"Classifier: pixels: {bad} of {len(pixels)} images are not finite; accepted: finite numbers.")
        blocks = [pixels[start : start + _BLOCK] for start in range(0, len(pixels), _BLOCK)]
        outputs = [_forward(self.net, self.params, jnp.asarray(scaled(block, self.levels))) for block in blocks]
        logits, features = (np.concatenate([np.asarray(part) for part in parts]) for parts in zip(*outputs, strict=True))
        return logits, features


def scaled(pixels: np.ndarray, levels: int) -> np.ndarray:
    """Scale images from units of pixels to [-1, 1], float32.

    Pixels are floored and clipped first, so that dequantised pixels become the whole-numbered ones they came from.

    Args:
        pixels: Images in units of pixels, of any shape.
        levels: Number of values of a pixel.

    Returns:
        An array of the same shape.

    >>> import numpy as np
    >>> scaled(np.array([0.0, 255.9, 300.0]), 256).tolist()
    [-1.0, 1.0, 1.0]
    """
    return (2 * np.clip(np.floor(pixels), 0, levels - 1) / (levels - 1) - 1).astype(np.float32)


def pixels_of(dataset: Dataset, split: str) -> np.ndarray:
    """Return the images of one split of a data set in units of pixels, float32.

    Args:
        dataset: A data set of images.
        split: "train", "valid" or "test".

    Returns:
        Images `(n, height, width, channels)`: whole numbers, or dequantised ones if the data set has been dequantised.
    """
    x = dataset.split(split).x
    return x if dataset.units is None else dataset.units.restore(x).astype(np.float32)


def train_classifier(
    key: Key, dataset: Dataset, *, num_steps: int = 800, batch_size: int = 128, learning_rate: float = 3e-3, width: int = 16
) -> Classifier:
    """Train a classifier on the training images of a data set and measure its accuracy on the test images.

    The loss is the cross-entropy, minimised by Adam with cosine decay; training images are moved at random by up to two pixels. On two CPU
    cores it takes half a minute for 28 x 28 pixels (`benchmarks/classifier.py`).

    Args:
        key: Random key of initialisation, batches and moves.
        dataset: Images with classes, as `jaxgen.data.load(name, labels=True)` returns them.
        num_steps: Number of training steps.
        batch_size: Number of images in a step.
        learning_rate: Learning rate at the start of the cosine decay.
        width: Number of channels of the first layer.

    Returns:
        The trained classifier.

    Raises:
        ValueError: The data set has no images or no labels, or a number is out of range.
    """
    if dataset.levels is None or dataset.train_cond is None or dataset.test_cond is None:
        accepted = "images with labels, as jaxgen.data.load(name, labels=True) returns them"
        raise ValueError(f"train_classifier: dataset={dataset.name!r}; accepted: {accepted}.")
    checks.counts("train_classifier", num_steps=num_steps, batch_size=batch_size, width=width)
    shape, num_classes = dataset.event_shape, dataset.train_cond.shape[1]
    net = classifier(num_classes, width=width)
    key_init, key_run = jax.random.split(key)
    params = net.init(key_init, jnp.zeros(shape, jnp.float32))
    x = jnp.asarray(scaled(pixels_of(dataset, "train"), dataset.levels))
    labels = jnp.asarray(dataset.train_cond.argmax(1))
    params = _train(net, adam(learning_rate)(num_steps), num_steps, batch_size, params, x, labels, key_run)
    config = {"event_shape": list(shape), "num_classes": num_classes, "width": width, "levels": dataset.levels, "data": dataset.name}
    trained = Classifier(net, params, dataset.levels, float("nan"), len(dataset.test), {**config, "source": dataset.source})
    return trained._replace(accuracy=trained.agreement(pixels_of(dataset, "test"), dataset.test_cond))


def save_classifier(path: str | Path, trained: Classifier) -> None:
    """Write a classifier to a folder, where it replaces an earlier one.

    Args:
        path: The folder.
        trained: The classifier.
    """
    save_arrays(Path(path) / "params.safetensors", trained.params)
    facts = {**trained.config, "accuracy": trained.accuracy, "num_test": trained.num_test}
    (Path(path) / "classifier.json").write_text(json.dumps(facts, indent=1))


def load_classifier(path: str | Path) -> Classifier:
    """Read the classifier that `save_classifier` wrote to the folder `path`; FileNotFoundError if there is none."""
    with written_by_jaxgen(f"load_classifier: path={str(path)!r}"):
        facts = json.loads((Path(path) / "classifier.json").read_text())
        accuracy, num_test = facts.pop("accuracy"), facts.pop("num_test")
        net = classifier(facts["num_classes"], width=facts["width"])
        like = jax.eval_shape(net.init, jax.random.key(0), jax.ShapeDtypeStruct(tuple(facts["event_shape"]), jnp.float32))
        return Classifier(net, load_arrays(Path(path) / "params.safetensors", like), facts["levels"], accuracy, num_test, facts)


def _forward(net: Net, params: Params, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jax.jit(jax.vmap(net.apply, (None, 0)))(params, x)


def _train(
    net: Net,
    optimizer: optax.GradientTransformation,
    num_steps: int,
    batch_size: int,
    params: Params,
    x: jax.Array,
    labels: jax.Array,
    key: Key,
) -> Params:
    shift = _MAX_SHIFT if min(x.shape[1:3]) >= 16 else 0

    def loss(params: Params, images: jax.Array, classes: jax.Array) -> jax.Array:
        logits, _ = jax.vmap(net.apply, (None, 0))(params, images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, classes).mean()

    def step(carry: tuple[Params, optax.OptState], i: jax.Array) -> tuple[tuple[Params, optax.OptState], None]:
        params, state = carry
        key_rows, key_shift = jax.random.split(jax.random.fold_in(key, i))
        rows = jax.random.randint(key_rows, (batch_size,), 0, len(x))
        # One shift for the whole batch: it costs nothing, and the next batch has another.
        by = jax.random.randint(key_shift, (2,), -shift, shift + 1)
        images = _moved(x[rows], by, shift)
        updates, state = optimizer.update(jax.grad(loss)(params, images, labels[rows]), state, params)
        return (optax.apply_updates(params, updates), state), None

    run = jax.jit(lambda carry: jax.lax.scan(step, carry, jnp.arange(num_steps))[0][0])
    return run((params, optimizer.init(params)))


def _moved(images: jax.Array, by: jax.Array, most: int) -> jax.Array:
    """Images `(n, height, width, channels)` moved by `by` (2,) of at most `most` pixels, the value of the edge moving in."""
    padded = jnp.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    return jax.lax.dynamic_slice(padded, (0, most + by[0], most + by[1], 0), images.shape)
