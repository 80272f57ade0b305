"""The units of the data as the last transform of the chain: trained standardised, sampled and evaluated in the user's own."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.training import Entry, Fitted
from jaxgen.transform import Questions, Transform
from jaxgen.transforms import Cell, affine, chain, on_condition, table_cells
from jaxgen.types import Params
from jaxgen.zoo.marginals import affine_marginal


class Partly(NamedTuple):
    """Say how rows that are known in part go to the coordinates of a model that answers questions, and come back.

    Attributes:
        known: What is known `(d,)`, with NaN for the rest, to the coordinates `(k,)`.
        last: The transform from coordinates to rows, to which NaN is a cell that nobody asks for.
        questions: The names and cells of the columns.
        spread: Flags of the columns to flags of the coordinates.
    """

    known: Callable[[jax.Array], jax.Array]
    last: Transform
    questions: Questions = Questions()
    spread: Callable[[tuple[bool, ...]], tuple[bool, ...]] = lambda flags: flags


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
    if not isinstance(entry, Entry) or not isinstance(fitted, Fitted):  # pyright: ignore[reportUnnecessaryIsInstance]
        given = f"entry=<{type(entry).__name__}> and fitted=<{type(fitted).__name__}>"
        raise ValueError(f"in_units: {given}; accepted: a jaxgen.Entry and the Fitted that jaxgen.fit returned.")
    if whole:
        raise ValueError(
            f"in_units: whole={list(whole)!r}, columns of whole numbers that were not spread over their cells; accepted: none. "
            "zoo.prepare(name, data) spreads them and brings the model back to the units of the data."
        )
    units = {"loc": loc, "scale": scale, "cond_loc": cond_loc, "cond_scale": cond_scale}
    numbers = {k: None if v is None else checks.numbers(f"in_units: {k}", v) for k, v in units.items()}
    size = entry.card.config.get("event_shape")
    for k, given in (("loc", loc), ("scale", scale)):
        shape = np.shape(given)
        if size is not None and shape not in ((), (1,), tuple(size)):
            raise ValueError(f"in_units: {k} of shape {shape}; accepted: {tuple(size)}, as events have, or a single number.")
    config = {**entry.card.config, "units": {k: None if v is None else v.tolist() for k, v in numbers.items()}}
    partly = _partly_standardised(entry, np.asarray(loc, np.float64), np.asarray(scale, np.float64))
    return behind(entry, fitted, affine(loc, scale), cond_loc, cond_scale, config, partly=partly)


def _partly_standardised(entry: Entry, loc: np.ndarray, scale: np.ndarray) -> Partly | None:
    size = entry.card.config.get("event_shape", np.broadcast_shapes(loc.shape, scale.shape))
    if entry.model.transform.hooks.questions is None or len(size) != 1 or entry.card.config.get("cond_shape") is not None:
        return None
    loc, scale = np.broadcast_to(loc, size), np.broadcast_to(scale, size)
    marginals = [affine_marginal(float(shift), float(factor)) for shift, factor in zip(loc, scale, strict=True)]
    cells = [Cell(marginal.scalar, marginal.theta) for marginal in marginals]
    return Partly(lambda row: (row - jnp.asarray(loc, row.dtype)) / jnp.asarray(scale, row.dtype), table_cells(cells, partial=True))


def behind(
    entry: Entry,
    fitted: Fitted,
    last: Transform,
    cond_loc: ArrayLike | None,
    cond_scale: ArrayLike | None,
    config: Mapping[str, Any],
    params: Params = (),
    partly: Partly | None = None,
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
        partly: How rows are asked about that are known in part; None leaves a model that cannot be asked.

    Returns:
        The entry, and `fitted` with its own params and those of `last`.
    """

    def outer(model: Model) -> Model:
        inner = model.transform
        if partly is not None and inner.hooks.questions is not None:
            return model._replace(transform=_asked_in_units(inner, inner.hooks.questions, last, partly))
        if cond_loc is not None:
            shift, factor = np.asarray(cond_loc), np.asarray(cond_scale)
            inner = on_condition(lambda c: (c - jnp.asarray(shift, c.dtype)) / jnp.asarray(factor, c.dtype), inner)
        return Model(model.base, chain(inner, last))

    readings = {name: outer(model) for name, model in entry.models.items()}
    entry = entry._replace(model=readings[entry.card.reading], readings=readings, card=entry.card._replace(config=config))
    return entry, fitted._replace(params=(fitted.params, params))


def _asked_in_units(inner: Transform, questions: Questions, last: Transform, partly: Partly) -> Transform:
    """Chain `last` behind a transform that answers questions, itself or through others, so that they are asked in the units of the data."""

    def answered(by: Transform) -> Transform:
        return chain(on_condition(partly.known, by), partly.last)

    if questions.through is None:
        return _with_questions(answered(inner), partly.questions)
    others, answered = questions.through, functools.lru_cache(maxsize=256)(answered)

    def through(given: tuple[bool, ...], asked: tuple[bool, ...]) -> Transform:
        return answered(others(partly.spread(given), partly.spread(asked)))

    return _with_questions(chain(inner, last), partly.questions._replace(through=through))


def _with_questions(f: Transform, questions: Questions) -> Transform:
    return f._replace(hooks=f.hooks._replace(questions=questions))
