"""The classifier in whose features `jaxgen evaluate` compares images: it is trained on the same data if its folder has none yet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgen import evaluation
from jaxgen.cli.events import load_for


def figures_by_features(
    folder: Path, model: str, source: Mapping[str, Any], samples: np.ndarray, classes: np.ndarray | None
) -> dict[str, float]:
    """Compare samples with the test images in the features of a classifier (see `jaxgen.evaluation.classifier_figures`).

    Args:
        folder: The folder of the classifier; a new classifier is trained and saved there if the folder has none.
        model: Name of the model, which decides how pixels are read.
        source: What the run says of its data, as `jaxgen train` wrote it.
        samples: Samples `(n, height, width, channels)` in units of pixels.
        classes: One-hot classes `(m, num_classes)` that the samples were asked for, repeated cyclically, or None.

    Returns:
        The figures by name.

    Raises:
        ValueError: The data set has no labels.
    """
    dataset = load_for(model, {**source, "labels": True})
    if (folder / "classifier.json").is_file():
        classifier = evaluation.load_classifier(folder)
    else:
        print(f"training a classifier on {dataset.name} into {folder}")
        classifier = evaluation.train_classifier(jax.random.key(0), dataset)
        evaluation.save_classifier(folder, classifier)
    return evaluation.classifier_figures(classifier, samples, evaluation.pixels_of(dataset, "test"), classes)
