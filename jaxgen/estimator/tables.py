"""Fit a model to a table with what its number of rows supports: validation rows, early stopping, a sensible length."""

import numpy as np

from jaxgen import zoo
from jaxgen.estimator.auto import AUTO, ENTRY, Settings, fit_auto, fit_split
from jaxgen.training import Entry, Fitted

MOST_HELD_OUT = 5_000
FEWEST_HELD_OUT = 5


def fit_table(x: np.ndarray, settings: Settings = Settings()) -> tuple[Entry, Fitted]:  # noqa: B008
    """Fit a model to the rows of a table and return it in the units of the table.

    With "auto" the model is a mixture of Gaussians and kernels, weighted by cross-validation. From 300 rows on, a flow is a further part,
    with a weight that the validation rows give it.

    Args:
        x: Rows `(n, d)` of finite numbers.
        settings: The model and how it is trained.

    Returns:
        The entry, whose events have the units of the table, and what was fitted.

    >>> import jax, jaxgen, numpy as np
    >>> rows = np.random.default_rng(0).normal(170.0, 10.0, (200, 1))
    >>> entry, fitted = fit_table(rows)
    >>> bool(abs(jaxgen.log_prob(entry.model, fitted.params, np.float32([[170.0]])).value[0] + 3.22) < 0.2)
    True
    """
    x = np.asarray(x, np.float64)
    loc, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    rows = (x - loc) / scale
    train, valid = split_rows(rows, settings)
    if settings.name == AUTO:
        options, fitted = fit_auto(rows, train, valid, settings)
        entry = zoo.build(ENTRY, rows.shape[1:], None, **{**settings.options, **options})
    else:
        entry = zoo.build(settings.name, rows.shape[1:], **settings.options)
        fitted = fit_split(entry, train, valid, settings)
    return zoo.in_units(entry, fitted, loc, scale)


def split_rows(rows: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the rows to train on and those to validate with, or None if there are too few.

    Args:
        rows: Rows `(n, d)`.
        settings: Which fraction validates, and the seed.
    """
    held_out = min(round(settings.held_out * len(rows)), MOST_HELD_OUT)
    if held_out < FEWEST_HELD_OUT:
        return rows, None
    order = np.random.default_rng([8, settings.seed]).permutation(len(rows))
    return rows[order[held_out:]], rows[order[:held_out]]
