"""How fast weights decay where nobody said: few rows want a prior, whose share falls with their number."""

import dataclasses
import functools

from jaxgen import checks
from jaxgen.training.entry import Entry
from jaxgen.training.optimizers import Adam

DECAY_ROWS = 2_000
"""Up to so many rows weights decay in full."""
MOST_GIVEN = 0.2
"""The most that the weights of a conditional flow decay: what follows from a condition may be sharp, and takes large weights."""


def decay_for(num_rows: int, conditional: bool = False) -> float:
    """Return the weight decay that suits a flow on so many rows.

    It is 1 up to 2,000 rows and then falls as their inverse (`benchmarks/defaults.py`). Of a conditional flow it falls as the square of that
    and is at most 0.2: more takes from sharp posteriors, and less from none (`benchmarks/conditional_defaults.py`).

    Args:
        num_rows: The number of rows to train on.
        conditional: Whether the flow has conditions.

    >>> decay_for(200), decay_for(8_000), decay_for(8_000, conditional=True)
    (1.0, 0.25, 0.0625)
    """
    checks.counts("decay_for", num_rows=num_rows)
    decay = min(1.0, DECAY_ROWS / num_rows)
    return min(MOST_GIVEN, decay**2) if conditional else decay


def suited(entry: Entry, num_rows: int, conditional: bool = False) -> Entry:
    """Return an entry whose optimiser has the weight decay of so many rows, if it leaves that open; any other entry is returned as it is.

    Args:
        entry: The entry.
        num_rows: The number of rows to train on.
        conditional: Whether the rows have conditions.

    >>> import jaxgen
    >>> suited(jaxgen.zoo.build("nsf", (2,), width=8), 100).optimizer.weight_decay
    1.0
    """
    open_ = isinstance(entry.optimizer, Adam) and entry.optimizer.weight_decay is None
    return _with_decay(entry, decay_for(num_rows, conditional)) if open_ else entry


@functools.lru_cache(maxsize=8)
def _with_decay(entry: Entry, weight_decay: float) -> Entry:
    # The same entry each time: its programs are compiled once.
    assert isinstance(entry.optimizer, Adam)
    return entry._replace(optimizer=dataclasses.replace(entry.optimizer, weight_decay=weight_decay))
