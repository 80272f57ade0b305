"""Fit a model to a table with what its number of rows supports: validation rows, early stopping, a sensible length."""

import jax
import numpy as np

from jaxgen import zoo
from jaxgen.data import Schema
from jaxgen.estimator.auto import AUTO, ENTRY, Settings, fit_auto, fit_split
from jaxgen.estimator.layouts import choose_layout, layout_of
from jaxgen.training import Entry, Fitted

MOST_HELD_OUT = 5_000
FEWEST_HELD_OUT = 5


def fit_table(x: np.ndarray, settings: Settings = Settings(), schema: Schema | None = None) -> tuple[Entry, Fitted]:  # noqa: B008
    """Fit a model to the rows of a table and return it in the units of the table.

    With "auto" the model of a table of numbers is a mixture of Gaussians and kernels, weighted by cross-validation. From 300 rows on, a flow is
    a further part, with a weight that the validation rows give it.

    Args:
        x: Rows `(n, d)` of finite numbers in the units of the table.
        settings: The model and how it is trained.
        schema: What the columns are, none of them categories or with gaps; None takes all for real numbers.

    Returns:
        The entry, whose events have the units of the table, and what was fitted.

    >>> import jax, jaxgen, numpy as np
    >>> rows = np.random.default_rng(0).normal(170.0, 10.0, (200, 1))
    >>> entry, fitted = fit_table(rows)
    >>> bool(abs(jaxgen.log_prob(entry.model, fitted.params, np.float32([[170.0]])).value[0] + 3.22) < 0.2)
    True
    """
    x = np.asarray(x, np.float64)
    held_out = held_out_rows(len(x), settings)
    layout = layout_of(x, schema, supports=settings.supports)
    if settings.name == AUTO:
        table = choose_layout(layout, x, settings.seed)
        options, fitted = fit_auto(table, held_out, settings)
        return zoo.on_table(zoo.build_on(table.layout, ENTRY, **options), fitted, table.layout)
    entry = zoo.build_on(layout, settings.name, **settings.options)
    rows = zoo.encoded(jax.random.key(settings.seed), layout, x)
    valid = rows[held_out] if len(held_out) else None
    return zoo.on_table(entry, fit_split(entry, np.delete(rows, held_out, 0), valid, settings), layout)


def is_mixed(schema: Schema | None) -> bool:
    """Return whether a table has categories or gaps, which a mixture of Gaussians cannot model.

    Args:
        schema: What the columns are; None stands for real numbers.
    """
    return schema is not None and any(column.kind == "category" or column.missing for column in schema.event)


def held_out_rows(num: int, settings: Settings) -> np.ndarray:
    """Return the indices of the rows to validate with; none if there are too few.

    Args:
        num: The number of rows.
        settings: Which fraction validates, and the seed.
    """
    held_out = min(round(settings.held_out * num), MOST_HELD_OUT)
    order = np.random.default_rng([8, settings.seed]).permutation(num)
    return order[: held_out if held_out >= FEWEST_HELD_OUT else 0]
