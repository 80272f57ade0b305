"""The figures of a sample of images by their features, each beside the floor that a fresh sample of real images would reach."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxgen.evaluation.features import Moments, frechet_distance, kernel_distance, kernel_spread, manifold, moments


def image_figures(samples: ArrayLike, real: ArrayLike, again: ArrayLike, *, max_points: int = 2_000, seed: int = 0) -> dict[str, float]:
    """Figures of features `samples (m, d)` against the real `real (n, d)`, their floors by the other real `again (n', d)`, and the ratios.

    All are cut to the size of the smallest, since most of these figures move with the number of points. Keys: `frechet`, `kernel`,
    `precision`, `recall`, `density`, `coverage`; the same with `_floor`, of `again` against `real`; and with `_ratio`, figure over floor: 1 is
    what real images reach. The kernel's floor is the root mean square between random halves of the real images, as its mean is zero.
    `max_points` bounds the points of the kernel distance. Raises ValueError as the figures do.
    """
    sets = [np.asarray(s, np.float64) for s in (samples, real, again)]
    n = min(len(s) for s in sets)
    fake, real, again = (s[:n] for s in sets)
    figures = _figures(fake, real, max_points, seed)
    floors = _figures(again, real, max_points, seed)
    floors["kernel"] = kernel_spread(np.concatenate([real, again]), min(max_points, n), seed=seed)
    ratios = {f"{name}_ratio": figures[name] / floors[name] if floors[name] > 0 else float("nan") for name in figures}
    return {**figures, **{f"{name}_floor": value for name, value in floors.items()}, **ratios}


def read_features(path: str | os.PathLike[str]) -> Moments | np.ndarray:
    """Features computed elsewhere, such as by an Inception network: raw ones `(n, d)` float64, or the `Moments` that tools for the FID keep.

    A .npy array or an .npz with one array `(n, d)`; or an .npz with mean and covariance as `mean` and `cov`, or `mu` and `sigma`.
    Raises ValueError, naming the file, for anything else.
    """
    arrays = _arrays(Path(path))
    for mean, cov in (("mean", "cov"), ("mu", "sigma")):
        if mean in arrays and cov in arrays:
            found = Moments(*(np.asarray(arrays[name], np.float64) for name in (mean, cov)))
            if found.mean.ndim != 1 or found.cov.shape != found.mean.shape * 2:
                raise ValueError(f"{path}: {mean} of shape {found.mean.shape}, {cov} of shape {found.cov.shape}; expected (d,) and (d, d)")
            if not np.allclose(found.cov, found.cov.T, rtol=1e-4, atol=1e-6 * np.abs(found.cov).max()):
                raise ValueError(f"{path}: {cov} is not symmetric; expected a covariance")
            return found
    if len(arrays) != 1:
        raise ValueError(f"{path}: holds {', '.join(arrays) or 'nothing'}; expected mean and cov, mu and sigma, or one array of features")
    features = next(iter(arrays.values()))
    if features.ndim != 2 or features.dtype.kind not in "iuf" or 0 in features.shape or not np.isfinite(features).all():
        raise ValueError(f"{path}: {features.dtype} of shape {features.shape}; expected finite features (n, d)")
    return features.astype(np.float64)


def frechet_of(a: Moments | ArrayLike, b: Moments | ArrayLike) -> float:
    """`frechet_distance` of two sets given as `Moments` or as features `(n, d)`, as `read_features` returns them."""
    return frechet_distance(*(m if isinstance(m, Moments) else moments(m) for m in (a, b)))


def _figures(samples: np.ndarray, real: np.ndarray, max_points: int, seed: int) -> dict[str, float]:
    distances = {"frechet": frechet_distance(moments(samples), moments(real)), "kernel": kernel_distance(samples, real, max_points, seed)}
    return {**distances, **manifold(real, samples)._asdict()}


def _arrays(path: Path) -> Mapping[str, Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
        return {"": loaded} if isinstance(loaded, np.ndarray) else {key: loaded[key] for key in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
