"""Figures of images by the features of a small classifier, which is trained on the same data where there is none yet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgen import evaluation
from jaxgen.cli.events import load_for


def figures_by_features(folder: Path, model: str, source: Mapping[str, Any], samples: np.ndarray, cond: Any) -> dict[str, Any]:
    """`image_figures` of samples `(n, height, width, channels)` in units of pixels, and the classifier's accuracy.

    folder: where the classifier is, or is put after it was trained on the data of `source`, for `model`, with its labels.
    cond: one-hot classes `(m, classes)` asked for, cycled over the samples as `evaluate` does, for `agreement`; or None.
    The floors are those of the two halves of the test images. Raises ValueError where the data has no labels or other shapes.
    """
    dataset = load_for(model, {**source, "labels": True})
    if (folder / "classifier.json").is_file():
        trained = evaluation.load_classifier(folder)
    else:
        print(f"training a classifier on {dataset.name} into {folder}")
        trained = evaluation.train_classifier(jax.random.key(0), dataset)
        evaluation.save_classifier(folder, trained)
    # At random, as the two halves of a published test set may differ.
    real = trained.features(np.random.default_rng(0).permutation(evaluation.own_pixels(dataset, "test")))
    half = len(real) // 2
    figures: dict[str, Any] = evaluation.image_figures(trained.features(samples), real[:half], real[half:])
    figures["classifier_accuracy"] = trained.accuracy
    if cond is not None and np.shape(cond)[1] == trained.config["num_classes"]:
        figures["agreement"] = trained.agreement(samples, np.asarray(cond)[np.arange(len(samples)) % len(cond)])
    return figures
