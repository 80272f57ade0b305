"""Errors of a synthetic table: of its columns and pairs of columns, how well it is told from the data, and whether it repeats records."""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import ks_2samp

from jaxgen import checks
from jaxgen.data import Schema

MOST_ROWS = 5_000
BINS = 10
FOLDS, TREES = 3, 60
FEWEST = 20
"""Rows of each side below which no classifier is trained."""


class TableErrors(NamedTuple):
    """Hold the errors of a table of samples, each from 0, the best, to 1.

    Attributes:
        shapes: By column the distance of its distribution from that of the data.
        gaps: By column with gaps the difference of the shares of missing cells.
        trends: By pair of columns the distance of their dependence from that of the data.
        detection: The area under the ROC curve of a classifier that tells samples from data, of held-out rows: 0.5 if it cannot; NaN for fewer
            than 20 rows.
        closest: The median distance of a sample to the closest training row, in standardised columns.
        copies: The share of samples that are equal to a training row up to a thousandth of a standard deviation in each column.
    """

    shapes: dict[str, float]
    gaps: dict[str, float]
    trends: dict[tuple[str, str], float]
    detection: float
    closest: float
    copies: float

    def summary(self) -> dict[str, float]:
        """Return one number for each question: means over columns and pairs."""
        return {
            "shape_error": float(np.mean(list(self.shapes.values()))),
            "trend_error": float(np.mean(list(self.trends.values()))) if self.trends else 0.0,
            "detection_auc": self.detection,
            "closest_record": self.closest,
            "copies": self.copies,
        }


def table_errors(samples: np.ndarray, real: np.ndarray, train: np.ndarray, schema: Schema, seed: int = 0) -> TableErrors:
    """Compare a table of samples with one of data.

    Shapes are the Kolmogorov-Smirnov statistic of numbers and the total variation distance of categories. The trend of two numbers is half the
    difference of their correlations, and that of any other pair the total variation distance of their contingency tables, numbers in ten bins
    of the data's range. These are one minus the scores KSComplement, TVComplement, CorrelationSimilarity and ContingencySimilarity of SDMetrics,
    and as there the shapes and correlations leave missing cells out.

    Args:
        samples: Samples `(n, d)` in the units of the data, NaN for what is missing, codes for categories.
        real: Test rows `(m, d)`.
        train: Training rows `(k, d)`, to which samples may be too close.
        schema: The columns.
        seed: The seed of subsamples and of the classifier's folds.

    Returns:
        The errors. Their floor is `table_errors(train, real, other rows)`: data in the place of samples.

    Raises:
        ValueError: An array has another number of columns than the schema.

    >>> import numpy as np
    >>> from jaxgen.data import Column
    >>> x = np.arange(10.0)[:, None]
    >>> table_errors(x + 5, x, x, Schema((Column("age", "integer"),))).shapes
    {'age': 0.5}
    """
    for name, rows in (("samples", samples), ("real", real), ("train", train)):
        checks.count("table_errors: rows of " + name, len(rows))
        if rows.shape[1:] != (len(schema.event),):
            raise ValueError(f"table_errors: {name} of shape {rows.shape}; accepted: (n, {len(schema.event)}), the columns of the schema.")
    rng = np.random.default_rng([8, seed])
    samples, real, train = (rng.permutation(np.asarray(rows, np.float64))[:MOST_ROWS] for rows in (samples, real, train))
    features = _features(train, schema)
    closest = _closest(features(samples), features(train))
    detection = _detection(features(samples), features(real), seed)
    samples, real = (_with_gaps(rows, schema) for rows in (samples, real))
    codes = [column.kind == "category" for column in schema.event]
    names = [column.name for column in schema.event]
    shapes = {name: _shape(samples[:, j], real[:, j], codes[j]) for j, name in enumerate(names)}
    gaps = {
        column.name: float(abs(np.isnan(samples[:, j]).mean() - np.isnan(real[:, j]).mean()))
        for j, column in enumerate(schema.event)
        if column.missing
    }
    trends = {
        (names[i], names[j]): _trend(samples[:, [i, j]], real[:, [i, j]], codes[i], codes[j]) for i, j in combinations(range(len(names)), 2)
    }
    return TableErrors(shapes, gaps, trends, detection, float(np.median(closest)), float(np.mean(closest < 1e-3)))


def table_figures(samples: np.ndarray, real: np.ndarray, train: np.ndarray, schema: Schema, seed: int = 0) -> dict[str, Any]:
    """Return the errors of a table of samples in one number each, beside the same of data in the place of samples.

    Args:
        samples: Samples `(n, d)` in the units of the data.
        real: Test rows `(m, d)`.
        train: Training rows `(k, d)`.
        schema: The columns.
        seed: The seed of subsamples and folds.

    Returns:
        A dict with `shape_error`, `trend_error`, `detection_auc`, `closest_record`, `copies` and each one's floor, such as `shape_error_floor`,
        and the errors by column and by pair under `columns` and `pairs`.
    """
    errors = table_errors(samples, real, train, schema, seed)
    floor = floor_of(real, train, schema, seed)
    figures: dict[str, Any] = {}
    for name, value in errors.summary().items():
        figures |= {name: value, f"{name}_floor": floor.summary()[name]}
    figures["columns"] = {
        name: {"shape_error": error, "floor": floor.shapes[name], **({"gap_error": errors.gaps[name]} if name in errors.gaps else {})}
        for name, error in errors.shapes.items()
    }
    figures["pairs"] = [{"columns": list(pair), "trend_error": error, "floor": floor.trends[pair]} for pair, error in errors.trends.items()]
    return figures


def floor_of(real: np.ndarray, train: np.ndarray, schema: Schema, seed: int = 0) -> TableErrors:
    """Return the errors of data: as many training rows as there are test rows in the place of samples, and test rows as near to training rows.

    Args:
        real: Test rows `(m, d)`.
        train: Training rows `(k, d)`.
        schema: The columns.
        seed: The seed of subsamples and folds.
    """
    again = np.random.default_rng([9, seed]).permutation(train)[: len(real)]
    errors = table_errors(again, real, train, schema, seed)
    of_test = table_errors(real, real, train, schema, seed)
    return errors._replace(closest=of_test.closest, copies=of_test.copies)


def _with_gaps(x: np.ndarray, schema: Schema) -> np.ndarray:
    """Return rows with NaN for a missing category as well, whose code is the last one."""
    return np.stack(
        [
            np.where(v == len(c.labels) - 1, np.nan, v) if c.missing and c.kind == "category" else v
            for c, v in zip(schema.event, x.T, strict=True)
        ],
        1,
    )


def _shape(x: np.ndarray, y: np.ndarray, codes: bool) -> float:
    x, y = x[~np.isnan(x)], y[~np.isnan(y)]
    if not len(x) or not len(y):
        return float(len(x) != len(y))
    return _total_variation(x[:, None], y[:, None]) if codes else float(ks_2samp(x, y)[0])  # pyright: ignore[reportArgumentType]


def _trend(x: np.ndarray, y: np.ndarray, first_codes: bool, second_codes: bool) -> float:
    if not first_codes and not second_codes:
        return abs(_correlation(x) - _correlation(y)) / 2
    binned = [_bins(x[:, j], y[:, j], codes) for j, codes in enumerate((first_codes, second_codes))]
    return _total_variation(*(np.stack(columns, 1) for columns in zip(*binned, strict=True)))


def _correlation(x: np.ndarray) -> float:
    given = x[~np.isnan(x).any(1)]
    if len(given) < 2 or given.std(0).min() == 0:
        return 0.0
    return float(np.corrcoef(given.T)[0, 1])


def _bins(x: np.ndarray, y: np.ndarray, codes: bool) -> tuple[np.ndarray, np.ndarray]:
    """Codes as they are, numbers by the bin of the data's range, and -1 for what is missing."""
    if codes:
        return np.nan_to_num(x, nan=-1), np.nan_to_num(y, nan=-1)
    given = y[~np.isnan(y)]
    edges = np.linspace(given.min(), given.max(), BINS + 1)[1:-1] if len(given) else np.zeros(0)
    return tuple(np.where(np.isnan(v), -1.0, np.digitize(v, edges)) for v in (x, y))  # pyright: ignore[reportReturnType]


def _total_variation(x: np.ndarray, y: np.ndarray) -> float:
    cells, place = np.unique(np.concatenate([x, y]), axis=0, return_inverse=True)
    counts = [np.bincount(part, minlength=len(cells)) / len(part) for part in np.split(place.ravel(), [len(x)])]
    return float(0.5 * np.abs(counts[0] - counts[1]).sum())


def _detection(samples: np.ndarray, real: np.ndarray, seed: int) -> float:
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    num = min(len(samples), len(real))
    if num < FEWEST:
        return float("nan")
    x, label = np.concatenate([samples[:num], real[:num]]), np.repeat([1, 0], num)
    classifier = ExtraTreesClassifier(TREES, min_samples_leaf=3, random_state=seed)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    chances = np.asarray(cross_val_predict(classifier, x, label, cv=folds, method="predict_proba"))
    return float(roc_auc_score(label, chances[:, 1]))


def _features(train: np.ndarray, schema: Schema) -> Any:
    """Return the function to coordinates in which distances are taken: standardised numbers, and one-hot codes at distance 1."""
    means = np.array([0.0 if np.isnan(v).all() else np.nanmean(v) for v in train.T])
    scales = np.array([1.0 if np.isnan(v).all() or np.nanstd(v) == 0 else np.nanstd(v) for v in train.T])

    def features(x: np.ndarray) -> np.ndarray:
        parts = []
        for j, column in enumerate(schema.event):
            if column.kind == "category":
                parts.append(np.eye(len(column.labels))[x[:, j].astype(int)] / np.sqrt(2))
                continue
            gone = np.isnan(x[:, j])
            parts.append(np.where(gone, 0, (x[:, j] - means[j]) / scales[j])[:, None])
            if column.missing:
                parts.append(gone[:, None] * 1.0)
        return np.concatenate(parts, 1)

    return features


def _closest(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=1).fit(train).kneighbors(x)[0][:, 0]
