"""Names for what the library's functions take and return, so that a signature says what an argument is and not only that it is an array."""

from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Array, Bool, DTypeLike, Float

if TYPE_CHECKING:
    # jaxtyping leaves this one unknown to type checkers, and strict files would have to silence every line that names it.
    PyTree: TypeAlias = Any
else:
    from jaxtyping import PyTree

Params: TypeAlias = PyTree
"""Parameters that an objective trains: a pytree of arrays."""
Aux: TypeAlias = PyTree
"""Trained auxiliaries of an objective, such as a critic's parameters: a pytree of arrays."""
Noise: TypeAlias = PyTree
"""One draw of a base, or a batch of draws: an array, or a dict of arrays for a joint base."""
Event: TypeAlias = PyTree
"""One event, or a batch of events: an array `(*event)` or `(n, *event)`; inside a model also a dict or tuple of arrays."""
Cond: TypeAlias = jax.Array | np.ndarray[Any, Any] | None
"""One condition `(*cond)`, a batch of conditions `(n, *cond)`, or None for a model without conditions."""
Key: TypeAlias = jax.Array
"""A typed random key, as `jax.random.key` makes it, or a batch of keys `(n,)`."""
Shape: TypeAlias = tuple[int, ...]
"""The sizes of an array's axes."""

__all__ = ["Array", "Aux", "Bool", "Cond", "DTypeLike", "Event", "Float", "Key", "Noise", "Params", "PyTree", "Shape"]
