"""What a detector says: an alarm or none, the p-value and the size of the effect behind it."""

from typing import NamedTuple

import numpy as np

LEVEL = 0.01
"""The p-value below which a detector may raise an alarm; the effect must be large too."""


class Finding(NamedTuple):
    """Hold the outcome of one detector.

    Attributes:
        name: The failure that was looked for.
        alarm: Whether it was found: the p-value is small and the effect is large enough to matter.
        p: The p-value, or None for a detector that tests nothing.
        effect: The size of the effect, in the unit that `text` names.
        text: One sentence with the figures.
    """

    name: str
    alarm: bool
    p: float | None
    effect: float
    text: str


def permutation_p(observed: float, permuted: np.ndarray) -> float:
    """Return the exact p-value of a permutation test: the share of arrangements, the observed one among them, at least as extreme.

    Args:
        observed: The statistic; large values speak against exchangeability.
        permuted: The statistic of random arrangements `(B,)`.

    Returns:
        A p-value that is below any level with at most the probability of that level.

    >>> permutation_p(3.0, np.asarray([1.0, 2.0, 3.0]))
    0.5
    """
    return float((1 + np.count_nonzero(permuted >= observed)) / (1 + len(permuted)))
