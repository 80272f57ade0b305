"""A small classifier trained on the data itself: its features are where images are compared, its verdict whether a class was met."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgen import checks
from jaxgen.data import Dataset
from jaxgen.nets import Net, classifier
from jaxgen.training import adam, load_arrays, save_arrays

_SHIFT = 2  # pixels by which a training image is moved at most, where its sides have 16 or more
_AT_ONCE = 1_000


class Classifier(NamedTuple):
    """A trained classifier of images, in units of pixels.

    accuracy: share of the `num_test` test images whose class it names.  config: JSON from which `load_classifier` rebuilds it.
    """

    net: Net
    params: Any
    levels: int
    accuracy: float
    num_test: int
    config: dict[str, Any]

    def features(self, pixels: Any) -> np.ndarray:
        """Features `(n, num_features)` float64 of images `(n, height, width, channels)` in units of pixels."""
        return self._apply(pixels)[1].astype(np.float64)

    def predict(self, pixels: Any) -> np.ndarray:
        """The class `(n,)` int of images `(n, height, width, channels)` in units of pixels."""
        return self._apply(pixels)[0].argmax(1)

    def agreement(self, pixels: Any, labels: Any) -> float:
        """Share of images whose class is that of `labels`, codes `(n,)` or one-hot `(n, classes)`, such as those asked of a generator."""
        labels = np.asarray(labels)
        return float(np.mean(self.predict(pixels) == (labels.argmax(1) if labels.ndim == 2 else labels)))

    def _apply(self, pixels: Any) -> tuple[np.ndarray, np.ndarray]:
        pixels, shape = np.asarray(pixels), tuple(self.config["event_shape"])
        if pixels.ndim != 4 or pixels.shape[1:] != shape or len(pixels) == 0:
            raise ValueError(
                f"pixels of shape {pixels.shape}; accepted: (n, {', '.join(map(str, shape))}) with n >= 1, as it was trained on."
            )
        if not np.isfinite(pixels).all():
            raise ValueError(f"pixels: {int((~np.isfinite(pixels)).any((1, 2, 3)).sum())} of {len(pixels)} images are not finite.")
        blocks = [pixels[start : start + _AT_ONCE] for start in range(0, len(pixels), _AT_ONCE)]
        outputs = [_forward(self.net, self.params, jnp.asarray(scaled(block, self.levels))) for block in blocks]
        logits, features = (np.concatenate([np.asarray(part) for part in parts]) for parts in zip(*outputs, strict=True))
        return logits, features


def scaled(pixels: np.ndarray, levels: int) -> np.ndarray:
    """Images in units of pixels as inputs in [-1, 1], float32. Floored and clipped first: dequantised pixels are the whole ones they came from."""
    return (2 * np.clip(np.floor(pixels), 0, levels - 1) / (levels - 1) - 1).astype(np.float32)


def own_pixels(dataset: Dataset, split: str) -> np.ndarray:
    """The images of one split of `dataset` in units of pixels: whole numbers, or dequantised ones, float32."""
    x = dataset.split(split).x
    return x if dataset.units is None else dataset.units.restore(x).astype(np.float32)


def train_classifier(
    key: jax.Array, dataset: Dataset, *, num_steps: int = 800, batch_size: int = 128, learning_rate: float = 3e-3, width: int = 16
) -> Classifier:
    """Train on the training images of `dataset`, loaded with `labels=True`, and measure the accuracy on its test images.

    Adam with cosine decay on the cross-entropy, images moved by up to two pixels. On two CPU cores half a minute for 28 x 28 pixels
    (`benchmarks/classifier.py`).
    Raises ValueError for a dataset without images or without labels.
    """
    if dataset.levels is None or dataset.train_cond is None or dataset.test_cond is None:
        raise ValueError(f"dataset={dataset.name!r}: accepted: images with labels, as jaxgen.data.load(name, labels=True).")
    checks.count("num_steps", num_steps)
    checks.count("batch_size", batch_size)
    shape, num_classes = dataset.event_shape, dataset.train_cond.shape[1]
    net = classifier(num_classes, width=width)
    key_init, key_run = jax.random.split(key)
    params = net.init(key_init, jnp.zeros(shape, jnp.float32))
    x = jnp.asarray(scaled(own_pixels(dataset, "train"), dataset.levels))
    labels = jnp.asarray(dataset.train_cond.argmax(1))
    params = _train(net, adam(learning_rate)(num_steps), num_steps, batch_size, params, x, labels, key_run)
    config = {"event_shape": list(shape), "num_classes": num_classes, "width": width, "levels": dataset.levels, "data": dataset.name}
    trained = Classifier(net, params, dataset.levels, float("nan"), len(dataset.test), {**config, "source": dataset.source})
    return trained._replace(accuracy=trained.agreement(own_pixels(dataset, "test"), dataset.test_cond))


def save_classifier(path: str | Path, trained: Classifier) -> None:
    """Write a classifier to the folder `path`, replacing an earlier one there."""
    save_arrays(Path(path) / "params", trained.params)
    facts = {**trained.config, "accuracy": trained.accuracy, "num_test": trained.num_test}
    (Path(path) / "classifier.json").write_text(json.dumps(facts, indent=1))


def load_classifier(path: str | Path) -> Classifier:
    """Read what `save_classifier` wrote. Raises FileNotFoundError where there is none."""
    facts = json.loads((Path(path) / "classifier.json").read_text())
    accuracy, num_test = facts.pop("accuracy"), facts.pop("num_test")
    net = classifier(facts["num_classes"], width=facts["width"])
    like = jax.eval_shape(net.init, jax.random.key(0), jax.ShapeDtypeStruct(tuple(facts["event_shape"]), jnp.float32))
    return Classifier(net, load_arrays(Path(path) / "params", like), facts["levels"], accuracy, num_test, facts)


def _forward(net: Net, params: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jax.jit(jax.vmap(net.apply, (None, 0)))(params, x)


def _train(net: Net, optimizer: Any, num_steps: int, batch_size: int, params: Any, x: jax.Array, labels: jax.Array, key: jax.Array) -> Any:
    shift = _SHIFT if min(x.shape[1:3]) >= 16 else 0

    def loss(params: Any, images: jax.Array, classes: jax.Array) -> jax.Array:
        logits, _ = jax.vmap(net.apply, (None, 0))(params, images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, classes).mean()

    def step(carry: tuple[Any, Any], i: jax.Array) -> tuple[tuple[Any, Any], None]:
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
