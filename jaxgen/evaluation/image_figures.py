"""Figures of images by their features, each beside the floor that fresh real images reach."""

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.evaluation.classifier import Classifier
from jaxgen.evaluation.features import Moments, frechet_distance, kernel_distance, kernel_floor, manifold, moments
from jaxgen.evaluation.halves import random_halves


def image_figures(samples: ArrayLike, real: ArrayLike, again: ArrayLike, *, max_points: int = 2_000, seed: int = 0) -> dict[str, float]:
    """Compare the features of samples with features of real images, beside the floor of other real images.

    All three sets are cut to the size of the smallest, because most of these figures move with the number of points.

    Args:
        samples: Features `(m, d)` of the samples.
        real: Features `(n, d)` of real images.
        again: Features `(k, d)` of other real images.
        max_points: Largest number of points of each side in the kernel distance.
        seed: Seed of the subsamples and of the random halves behind the kernel distance's floor.

    Returns:
        A dict with `frechet`, `kernel`, `precision`, `recall`, `density` and `coverage`; the same names with `_floor` for `again` against
        `real`; and with `_ratio` for figure over floor, which is 1 for real images. The kernel distance has mean zero between real images,
        so its floor is its root mean square between random halves of them.

    Raises:
        ValueError: A set has fewer than six points, is not finite, or has another width.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(120, 2))
    >>> figures = image_figures(x[:40] + 3, x[40:80], x[80:])
    >>> figures["precision"] < figures["precision_floor"], figures["frechet_ratio"] > 10
    (True, True)
    """
    sets = [np.asarray(s, np.float64) for s in (samples, real, again)]
    n = min(len(s) for s in sets)
    fake, real, again = (s[:n] for s in sets)
    figures = _figures(fake, real, max_points, seed)
    floors = _figures(again, real, max_points, seed)
    floors["kernel"] = kernel_floor(np.concatenate([real, again]), min(max_points, n), seed=seed)
    ratios = {f"{name}_ratio": figures[name] / floors[name] if floors[name] > 0 else float("nan") for name in figures}
    return {**figures, **{f"{name}_floor": value for name, value in floors.items()}, **ratios}


def classifier_figures(
    classifier: Classifier, samples: np.ndarray, real: np.ndarray, classes: np.ndarray | None = None
) -> dict[str, float]:
    """Compute `image_figures` of samples in a classifier's features; the floors compare random halves of the real images.

    Args:
        classifier: The classifier whose features are used.
        samples: Images `(m, height, width, channels)` in units of pixels.
        real: Real images `(n, height, width, channels)` in units of pixels.
        classes: The classes that the samples were asked for, one-hot `(k, num_classes)` and repeated cyclically over the samples, or None.
            They are ignored if their number is not the classifier's.

    Returns:
        The dict of `image_figures`, `classifier_accuracy`, and with `classes` also `agreement`: the share of samples whose class the
        classifier names.
    """
    figures = image_figures(classifier.features(samples), *random_halves(classifier.features(real)))
    figures["classifier_accuracy"] = classifier.accuracy
    if classes is not None and np.shape(classes)[1] == classifier.config["num_classes"]:
        figures["agreement"] = classifier.agreement(samples, np.asarray(classes)[np.arange(len(samples)) % len(classes)])
    return figures


def frechet_ratio(real: ArrayLike, num_points: int, *, num_splits: int = 8, seed: int = 0) -> Callable[[ArrayLike], float]:
    """Return the function that divides the Frechet distance of samples to real images by that of other real images.

    The distance is averaged over random halvings of the real images: one half stands for the data, the other gives the floor. Use test
    images, because a classifier has learned its training images by heart, and because in some sets they come from other writers.

    Args:
        real: Features `(n, d)` of test images.
        num_points: Largest number of points of each side; at most `n // 2` are used.
        num_splits: Number of halvings.
        seed: Seed of the halvings and of the choice among the samples.

    Returns:
        A function of features `(m, d)` of samples, whose value is 1 on average for fresh real images.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(300, 2))
    >>> ratio = frechet_ratio(x[:200], 100)
    >>> ratio(x[200:]) < 5 < ratio(x[200:] + 2)
    True
    """
    checks.count("frechet_ratio: num_points", num_points, 2)
    checks.count("frechet_ratio: num_splits", num_splits)
    rng = np.random.default_rng(seed)
    halves = [random_halves(real, rng, num_points) for _ in range(num_splits)]
    floor = np.mean([frechet_of(*pair) for pair in halves])

    def ratio(features: ArrayLike) -> float:
        points, rng = np.asarray(features), np.random.default_rng(seed)
        size = len(halves[0][0])
        return float(np.mean([frechet_of(rng.permutation(points)[:size], half) for half, _ in halves]) / floor)

    return ratio


def read_features(path: str | os.PathLike[str]) -> Moments | np.ndarray:
    """Read features that were computed elsewhere, such as by an Inception network.

    Args:
        path: A .npy array or an .npz file with one array `(n, d)`; or an .npz file with mean `(d,)` and covariance `(d, d)`, named `mean`
            and `cov` or, as tools for the FID name them, `mu` and `sigma`.

    Returns:
        The features `(n, d)` float64, or the `Moments`.

    Raises:
        ValueError: The file holds anything else; the message names it.
    """
    arrays = _arrays(Path(path))
    for mean, cov in (("mean", "cov"), ("mu", "sigma")):
        if mean in arrays and cov in arrays:
            stored = Moments(*(np.asarray(arrays[name], np.float64) for name in (mean, cov)))
            if stored.mean.ndim != 1 or stored.cov.shape != stored.mean.shape * 2:
                shapes = f"{mean} of shape {stored.mean.shape}, {cov} of shape {stored.cov.shape}"
                raise ValueError(f"read_features: {path}: {shapes}; accepted: (d,) and (d, d).")
            if not np.allclose(stored.cov, stored.cov.T, rtol=1e-4, atol=1e-6 * np.abs(stored.cov).max()):
                raise ValueError(f"read_features: {path}: {cov} is not symmetric; accepted: a covariance matrix.")
            return stored
    if len(arrays) != 1:
        names = ", ".join(arrays) or "nothing"
        raise ValueError(f"read_features: {path}: holds {names}; accepted: mean and cov, mu and sigma, or one array of features.")
    features = next(iter(arrays.values()))
    if features.ndim != 2 or features.dtype.kind not in "iuf" or 0 in features.shape or not np.isfinite(features).all():
        raise ValueError(f"read_features: {path}: {features.dtype} of shape {features.shape}; accepted: finite features (n, d).")
    return features.astype(np.float64)


def frechet_of(a: Moments | ArrayLike, b: Moments | ArrayLike) -> float:
    """Return the SQUARED Frechet distance of two sets, each given by its moments or its features.

    Args:
        a: `Moments` or features `(n, d)`.
        b: `Moments` or features `(m, d)`.

    Returns:
        The squared distance in the squared unit of the features; `frechet_distance` states the formula.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> round(frechet_of(x, moments(x + [3.0, 4.0])), 3)
    25.0
    """
    return frechet_distance(*(m if isinstance(m, Moments) else moments(m) for m in (a, b)))


def _figures(samples: np.ndarray, real: np.ndarray, max_points: int, seed: int) -> dict[str, float]:
    distances = {"frechet": frechet_distance(moments(samples), moments(real)), "kernel": kernel_distance(samples, real, max_points, seed)}
    return {**distances, **manifold(real, samples)._asdict()}


def _arrays(path: Path) -> Mapping[str, Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
        return {"": loaded} if isinstance(loaded, np.ndarray) else {key: loaded[key] for key in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"read_features: path={str(path)!r}, which cannot be read ({error}); accepted: an .npy or .npz file.") from error
