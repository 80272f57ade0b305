"""The units of the data as the last transform of the chain: trained standardised, sampled and evaluated in the user's own."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxgen.model import Model
from jaxgen.training import Entry, Fitted
from jaxgen.transform import Transform
from jaxgen.transforms import affine, chain, on_condition
from jaxgen.types import Params


def in_units(
    entry: Entry,
    fitted: Fitted,
    loc: ArrayLike,
    scale: ArrayLike,
    cond_loc: ArrayLike | None = None,
    cond_scale: ArrayLike | None = None,
    whole: Sequence[str] = (),
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
        whole: The names of columns of whole numbers, which are refused: a continuous density of them is not the probability of anything.

    Returns:
        The entry, with the units in its config, and `fitted` with params `(params, ())`, because the affine has no params.

    Raises:
        ValueError: There are columns of whole numbers.
    """
    if whole:
        raise ValueError(
            f"zoo.in_units: whole={list(whole)!r}, columns of whole numbers that were not spread over their cells; accepted: none. "
            "zoo.prepare(name, data) spreads them and brings the model back to the units of the data."
        )
    units = {"loc": loc, "scale": scale, "cond_loc": cond_loc, "cond_scale": cond_scale}
    config = {**entry.card.config, "units": {k: None if v is None else np.asarray(v, np.float64).tolist() for k, v in units.items()}}
    return behind(entry, fitted, affine(loc, scale), cond_loc, cond_scale, config)


def behind(
    entry: Entry,
    fitted: Fitted,
    last: Transform,
    cond_loc: ArrayLike | None,
    cond_scale: ArrayLike | None,
    config: Mapping[str, Any],
    params: Params = (),
) -> tuple[Entry, Fitted]:
    """Chain a transform without params behind every reading of an entry.

    Args:
        entry: The entry.
        fitted: What `jaxgen.fit` returned for it.
        last: The transform.
        cond_loc: What is subtracted from conditions `(c,)`; None leaves them as they are.
        cond_scale: What conditions are then divided by, `(c,)`.
        config: The new config of the card.
        params: The params of `last`, without a leaf.

    Returns:
        The entry, and `fitted` with its own params and those of `last`.
    """

    def outer(model: Model) -> Model:
        inner = model.transform
        if cond_loc is not None:
            shift, factor = np.asarray(cond_loc), np.asarray(cond_scale)
            inner = on_condition(lambda c: (c - jnp.asarray(shift, c.dtype)) / jnp.asarray(factor, c.dtype), inner)
        return Model(model.base, chain(inner, last))

    readings = {name: outer(model) for name, model in entry.models.items()}
    entry = entry._replace(model=readings[entry.card.reading], readings=readings, card=entry.card._replace(config=config))
    return entry, fitted._replace(params=(fitted.params, params))
