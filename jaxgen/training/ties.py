"""Columns of the data on which a continuous density has no bound: those with one number in all rows, or in many."""

import numpy as np

from jaxgen import checks
from jaxgen.finite import unsaid
from jaxgen.model import init, sample
from jaxgen.objective import Batch
from jaxgen.training.entry import Entry
from jaxgen.transform import Density

SHARE = 0.1
"""A number that so many of a column's rows hold is no accident of rounding."""
FEWEST, MOST = 10, 1_000_000
"""Ties are looked for from so many rows on, and among at most so many numbers."""
DRAWS = 64


def say_ties(name: str, entry: Entry, batch: Batch) -> None:
    """Warn of columns in which many rows hold one number, unless they are categories for the model.

    Args:
        name: The name of the argument with the events, for the message.
        entry: The entry that is to be trained. A model without a density may be trained on anything.
        batch: The events `(n, d)` and their conditions. Events of other shapes, such as images, are not looked at.
    """
    x = np.asarray(batch.x)
    if x.ndim != 2 or len(x) < FEWEST or entry.model.transform.kind is Density.IMPLICIT:
        return
    constant = np.flatnonzero(x.min(0) == x.max(0))
    # Every so manieth row, because a file may be sorted.
    some = x[:: -(-x.size // MOST)]
    commonest = [_commonest(column) for column in some.T]
    tied = [i for i, (_, share) in enumerate(commonest) if share >= SHARE and i not in constant]
    if not len(constant) and not tied:
        return
    discrete = _discrete(entry, batch, x.shape[1])
    said = [f"column {i} holds {x[0, i]:g} in every row" for i in constant if not discrete[i]]
    said += [f"column {i} holds {commonest[i][0]:g} in {commonest[i][1]:.0%} of the rows" for i in tied if not discrete[i]]
    if said:
        more = f" and {len(said) - 5} more columns are like these" if len(said) > 5 else ""
        checks.warn(
            f"fit: {name} with ties, on which a continuous density has no bound: {'; '.join(said[:5])}{more}. Leave such a column out or make it "
            "a condition; jaxgen.zoo.prepare spreads whole numbers over their cells, and its 'tabular' takes categories."
        )


def _commonest(column: np.ndarray) -> tuple[float, float]:
    """Return the number that most rows hold, and their share. A gap is no number."""
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    if not len(values):
        return 0.0, 0.0
    return float(values[counts.argmax()]), float(counts.max() / len(column))


def _discrete(entry: Entry, batch: Batch, num: int) -> np.ndarray:
    """Return which columns are categories: an entry of the zoo says it, and one made by hand shows it by ties in its own samples."""
    if entry.card.config:
        options = entry.card.config.get("options", {})
        categories, gates = (options.get(name) or () for name in ("categories", "gates"))
        by_option = [i < len(categories) and categories[i] > 0 or i < len(gates) and gates[i] >= 0 for i in range(num)]
        return np.asarray(by_option, bool)
    cond = None if batch.cond is None else batch.cond[:1]
    params = init(0, entry.model, None if cond is None else cond[0])
    with unsaid():
        x = np.asarray(sample(0, entry.model, params, DRAWS, cond))
    return np.asarray([len(np.unique(column)) < 0.9 * DRAWS for column in x.T])
