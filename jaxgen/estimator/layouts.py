"""The coordinates in which the rows of a table are modelled: their units, bent by the marginals of the columns, or hardly bent."""

from typing import NamedTuple

import jax
import numpy as np

from jaxgen import zoo
from jaxgen.data import Column, Schema
from jaxgen.estimator.stacked import MOST_ROWS, Stacked, log_prob_of, stack


class Chosen(NamedTuple):
    """Hold a table in the coordinates that were chosen for it.

    Attributes:
        layout: The way from the coordinates to the rows.
        rows: The rows in these coordinates, `(n, k)`.
        stacked: The mixture that was fitted to them.
        logs: The log density `(n,)` of each row, in the coordinates, under a mixture that has not seen it.
    """

    layout: zoo.Layout
    rows: np.ndarray
    stacked: Stacked
    logs: np.ndarray


def layout_of(x: np.ndarray, schema: Schema | None = None, *, supports: bool = True) -> zoo.Layout:
    """Return the layout of a table whose columns have the marginals that are found.

    Args:
        x: The rows `(n, d)` in the units of the data.
        schema: What the columns are; None takes all for numbers.
        supports: Whether supports and heavy tails are looked for.

    >>> import numpy as np
    >>> [str(marginal) for marginal in layout_of(np.exp(np.random.default_rng(0).normal(size=(200, 1)))).marginals]
    ['above 0']
    """
    schema = Schema(tuple(Column(str(j)) for j in range(x.shape[1]))) if schema is None else schema
    return zoo.Layout(schema, zoo.find_marginals(schema, x, supports), coded=False)


def choose_layout(layout: zoo.Layout, x: np.ndarray, seed: int = 0) -> Chosen:
    """Choose between the marginals of a layout and marginals that bend as little as the supports allow, by cross-validation.

    Marginals are found column by column. What makes a column normal may bend a linear relation to another one, or the clusters of a table.
    So a mixture is fitted in both coordinates, and the rows that were held out from each say which one it is.

    Args:
        layout: The layout that was found.
        x: The rows `(n, d)` in the units of the data.
        seed: The seed of the mixtures and of the dequantisation.

    Returns:
        The table in the better coordinates.

    >>> import numpy as np
    >>> x = np.exp(np.random.default_rng(0).normal(size=(200, 2)))
    >>> str(choose_layout(layout_of(x), x).layout.marginals[0])
    'above 0'
    """
    flat = layout.near_affine(x)
    candidates = [layout] if flat == layout else [layout, flat]
    # The same rows for both, as each of a few wild ones may count for more than the difference.
    some = np.random.default_rng([6, seed]).permutation(len(x))[:MOST_ROWS]
    tried = []
    for candidate in candidates:
        rows, log_det = zoo.encoded_with_log_det(jax.random.key(seed), candidate, x)
        stacked = stack(rows[some], seed)
        tried.append((float(np.nan_to_num(stacked.score + log_det[some].mean(), nan=-np.inf)), candidate, rows, stacked))
    _, best, rows, stacked = max(tried, key=lambda one: one[0])
    logs = np.empty(len(x))
    logs[some] = stacked.logs
    rest = np.delete(np.arange(len(x)), some)
    if len(rest):
        logs[rest] = log_prob_of(stacked, rows[rest])
    return Chosen(best, rows, stacked, logs)
