"""The option `sample_shape` of every base."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from jaxgen.types import Shape

Size: TypeAlias = int | Sequence[int]
"""How many events are drawn: a number, or the sizes of leading axes."""


def size_of(sample_shape: Size) -> Shape:
    """Return `sample_shape` as a tuple.

    >>> size_of(3), size_of((2, 4)), size_of(())
    ((3,), (2, 4), ())
    """
    return tuple(np.atleast_1d(np.asarray(sample_shape, int)).tolist())
