"""The coordinates in which the rows of a table are modelled: their units, bent by the marginals of the columns, or hardly bent."""

from typing import NamedTuple

import jax
import numpy as np

from jaxgen import zoo
from jaxgen.data import Column, Schema
from jaxgen.estimator.stacked import MOST_ROWS, Stacked, log_prob_of, stack

LEAD = 0.01
"""By how many nats a row, and one standard error, rows have to be more likely without an interval for it to be given up."""


class Chosen(NamedTuple):
    """Hold a table in the coordinates that were chosen for it.

    Attributes:
        layout: The way from the coordinates to the rows.
        rows: The rows in these coordinates, `(n, k)`.
        stacked: The mixture.
        seen: The indices of the rows that it was fitted to, in the order of `stacked.logs`.
    """

    layout: zoo.Layout
    rows: np.ndarray
    stacked: Stacked
    seen: np.ndarray

    def unseen_log_prob(self, indices: np.ndarray) -> np.ndarray:
        """Return the log densities of rows, in the coordinates, under a mixture that was fitted without them.

        Args:
            indices: The indices of the rows, `(m,)`.

        Returns:
            Log densities `(m,)` in nats.
        """
        place = np.full(len(self.rows), -1)
        place[self.seen] = np.arange(len(self.seen))
        place, logs = place[indices], np.empty(len(indices))
        logs[place >= 0] = self.stacked.logs[place[place >= 0]]
        if (place < 0).any():
            logs[place < 0] = log_prob_of(self.stacked, self.rows[indices[place < 0]])
        return logs


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
    So a mixture is fitted in both coordinates, and the rows that were held out from each say which one it is. An interval, onto which no map is
    nearly affine, may be coincidence: it is given up if the held-out rows speak clearly against it.

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
    # The same rows for all, as each of a few wild ones may count for more than the difference.
    some = np.random.default_rng([6, seed]).permutation(len(x))[:MOST_ROWS]

    def fitted(candidate: zoo.Layout) -> tuple[Chosen, np.ndarray]:
        """Return the table in the coordinates of a candidate, and the held-out log densities of its rows in the units of the data."""
        rows, log_det = zoo.encoded_with_log_det(jax.random.key(seed), candidate, x)
        chosen = Chosen(candidate, rows, stack(rows[some], seed), some)
        return chosen, np.nan_to_num(chosen.stacked.logs + log_det[some], nan=-np.inf)

    flat, free = layout.near_affine(x), layout.near_affine(x, intervals=False)
    best, logs = fitted(layout)
    if flat != layout:
        other, others = fitted(flat)
        if others.mean() > logs.mean():
            best, logs = other, others
    if free != flat:
        # An interval was believed for a reason, so that more than chance has to speak against it.
        other, others = fitted(free)
        lead = others - logs
        if lead.mean() > LEAD + lead.std() / np.sqrt(len(lead)):
            best = other
    return best
