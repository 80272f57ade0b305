"""The units of the data as the last transform of the chain: trained standardised, sampled and evaluated in the user's own."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxgen.model import Model
from jaxgen.training import Entry, Fitted
from jaxgen.transforms import affine, chain, on_condition


def in_units(entry: Entry, fitted: Fitted, loc: Any, scale: Any, cond_loc: Any = None, cond_scale: Any = None) -> tuple[Entry, Fitted]:
    """An entry trained on `(x - loc) / scale` as one whose events are `x`: sampling undoes the standardisation, densities count it.

    loc, scale: `(d,)`, or one number for all of an event. cond_loc, cond_scale: `(c,)`, likewise for conditions. Every reading is chained
    with the constant affine, which has no params, so params become `(params, ())`. The units are kept in the entry's config.
    """
    units = {"loc": loc, "scale": scale, "cond_loc": cond_loc, "cond_scale": cond_scale}
    config = {**entry.config, "units": {k: None if v is None else np.asarray(v, np.float64).tolist() for k, v in units.items()}}

    def outer(model: Model) -> Model:
        inner = model.transform
        if cond_loc is not None:
            shift, factor = tuple(cond_loc), tuple(cond_scale)
            inner = on_condition(lambda c: (c - jnp.asarray(shift, c.dtype)) / jnp.asarray(factor, c.dtype), inner)
        return Model(model.base, chain(inner, affine(loc, scale)))

    readings = {name: outer(model) for name, model in entry.readings.items()}
    entry = entry._replace(model=readings[entry.reading], readings=readings, config=config)
    return entry, fitted._replace(params=(fitted.params, ()))
