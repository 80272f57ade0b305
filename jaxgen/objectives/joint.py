"""Points for objectives that compare samples: events and their conditions side by side, so that conditional laws have to agree."""

import jax
import jax.numpy as jnp

from jaxgen.types import Cond


def joint(x: jax.Array, cond: Cond) -> jax.Array:
    """Return the rows `(n, d + c)` of flattened events and their conditions; events alone if `cond` is None.

    Args:
        x: Events `(n, *event)` of d numbers.
        cond: Conditions `(n, *cond)` of c numbers, or None.

    >>> import jax.numpy as jnp
    >>> joint(jnp.zeros((5, 2, 3)), jnp.zeros((5, 1))).shape
    (5, 7)
    """
    rows = x.reshape(x.shape[0], -1)
    return rows if cond is None else jnp.concatenate([rows, cond.reshape(x.shape[0], -1).astype(x.dtype)], 1)
