"""The option `dtype` of the networks: in which precision a network computes."""

import jax.numpy as jnp

from jaxgen.types import DTypeLike

DTYPES: dict[str | None, DTypeLike | None] = {None: None, "float32": jnp.float32, "bfloat16": jnp.bfloat16}
"""What flax takes for each name. None computes in the dtype of the events, so that float64 events are computed in float64."""


def compute_dtype(where: str, dtype: str | None) -> DTypeLike | None:
    """Return what flax takes for the option `dtype`; parameters and outputs keep their own dtypes.

    Args:
        where: The function that the error names.
        dtype: None (the dtype of the events), "float32" or "bfloat16".

    Raises:
        ValueError: `dtype` is another name.
    """
    if dtype not in DTYPES:
        raise ValueError(f"{where}: dtype={dtype!r}; accepted: None, 'float32', 'bfloat16'.")
    return DTYPES[dtype]
