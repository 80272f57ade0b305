"""The units of the data as the last transform of the chain: trained standardised, sampled and evaluated in the user's own."""

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxgen.model import Model
from jaxgen.training import Entry, Fitted
from jaxgen.transforms import affine, chain, on_condition


def in_units(
    entry: Entry,
    fitted: Fitted,
    loc: ArrayLike,
    scale: ArrayLike,
    cond_loc: ArrayLike | None = None,
    cond_scale: ArrayLike | None = None,
) -> tuple[Entry, Fitted]:
    """Turn an entry trained on standardised events into one whose events are in the units of the data.

    Every reading is chained with a constant affine: sampling undoes the standardisation `(x - loc) / scale`, and densities count it.

    Args:
        entry: The entry that was trained.
        fitted: What `jaxgen.fit` returned for it.
        loc: What was subtracted from events, `(d,)` or one number for a whole event.
        scale: What events were divided by, `(d,)` or one number.
        cond_loc: What was subtracted from conditions, `(c,)`; None if conditions are as they were.
        cond_scale: What conditions were divided by, `(c,)`; None if conditions are as they were.

    Returns:
        The entry, with the units in its config, and `fitted` with params `(params, ())`, because the affine has no params.
    """
    units = {"loc": loc, "scale": scale, "cond_loc": cond_loc, "cond_scale": cond_scale}
    config = {**entry.card.config, "units": {k: None if v is None else np.asarray(v, np.float64).tolist() for k, v in units.items()}}

    def outer(model: Model) -> Model:
        inner = model.transform
        if cond_loc is not None:
            shift, factor = np.asarray(cond_loc), np.asarray(cond_scale)
            inner = on_condition(lambda c: (c - jnp.asarray(shift, c.dtype)) / jnp.asarray(factor, c.dtype), inner)
        return Model(model.base, chain(inner, affine(loc, scale)))

    readings = {name: outer(model) for name, model in entry.models.items()}
    entry = entry._replace(model=readings[entry.card.reading], readings=readings, card=entry.card._replace(config=config))
    return entry, fitted._replace(params=(fitted.params, ()))
