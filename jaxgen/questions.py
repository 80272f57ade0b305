"""Any question of one model: samples and densities of some columns of its events, given others; and the filling of gaps."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.arguments import noise_shape, require_model
from jaxgen.model import LogProb, Model
from jaxgen.model import log_prob as log_prob_of_events
from jaxgen.model import sample as sample_events
from jaxgen.transform import Questions, Transform
from jaxgen.types import Cond, Event, Key, Params

Name: TypeAlias = str | int
"""A column of the event, by its name or its index."""


def sample(
    key: Key | int,
    model: Model,
    params: Params,
    num_samples: int,
    cond: Cond = None,
    *,
    given: Mapping[Name, Any] | ArrayLike | None = None,
    batch_size: int | None = None,
) -> Event:
    """Draw samples: noise from the base, moved by the transform; with `given`, samples of the other columns given those.

    Args:
        key: A random key, or an integer seed. Each sample gets a key of its own, so the draws do not depend on `batch_size`.
        model: The model.
        params: Its params.
        num_samples: How many samples to draw.
        cond: Conditions `(num_samples, *cond)`, one for each sample, or `(1, *cond)`, one for all; None for a model without conditions.
        given: What is known of the events: values by column, such as `{"age": 35, "smoker": "yes"}`, each one value or one for each sample;
            or rows `(num_samples, d)` or `(d,)` in the units of the data, with NaN where nothing is known. None asks for whole events.
        batch_size: How many samples are computed at once; None computes all at once.

    Returns:
        The samples `(num_samples, *event)`, with the given values in their places. Their law is the model's conditional, whose density
        `log_prob(..., given=)` returns with its kind.

    Raises:
        ValueError: A number is below 1, `cond` has another number of rows; or the model answers no such question, a column or a value is
            unknown, or nothing is left to draw.

    >>> import jaxgen, jax.numpy as jnp
    >>> entry = jaxgen.zoo.build("tabular", (2,), any_subset=True, width=8, depth=1)
    >>> params = jaxgen.init(0, entry.model)
    >>> jaxgen.sample(0, entry.model, params, 3, given={1: 0.5})[:, 1].tolist()
    [0.5, 0.5, 0.5]
    """
    if given is None:
        return sample_events(key, model, params, num_samples, cond, batch_size=batch_size)
    questions, size = _questions("sample", model, params, cond)
    checks.count("sample: num_samples", num_samples)
    known = _known("sample", questions, size, given, num_samples)
    if isinstance(given, Mapping) and not np.isnan(known).any():
        raise ValueError("sample: given=all the columns of an event; accepted: at least one column that is left to draw.")
    x = np.empty(known.shape, np.float32)
    for rows, one in _alike(questions, model, ~np.isnan(known)):
        keys = jax.random.fold_in(checks.key("sample: key", key), int(rows[0]))
        drawn = sample_events(keys, one, params, len(rows), jnp.asarray(known[rows], jnp.float32), batch_size=batch_size)
        x = x.astype(np.asarray(drawn).dtype)
        x[rows] = np.asarray(drawn)
    return jnp.asarray(np.where(np.isnan(known), x, known), x.dtype)


def log_prob(
    model: Model,
    params: Params,
    x: Event,
    cond: Cond = None,
    *,
    of: Sequence[Name] | Name | None = None,
    given: Mapping[Name, Any] | Sequence[Name] | Name | None = None,
    key: Key | int | None = None,
    num_draws: int = 1,
    batch_size: int | None = None,
) -> LogProb:
    """Return the log density of events in nats, its standard error and its kind; or that of some columns, given others.

    `jaxgen.model.log_prob` says how draws are averaged, and `jaxgen.certify` bounds the numerical error of the same numbers.

    Args:
        model: The model.
        params: Its params.
        x: Events `(n, *event)`. Of columns that are neither in `of` nor in `given` nothing is read.
        cond: Conditions `(n, *cond)`, or `(1, *cond)` for all events, or None.
        of: The columns whose density is asked for, by name or index; None takes all that are not given. The others are integrated out.
        given: The columns that are given: names or indices, whose values stand in `x`, or values by column as `sample` takes them.
        key: A random key or an integer seed, needed if the density is not exact.
        num_draws: How many draws estimate a density that is not exact.
        batch_size: How many events are computed at once; by default at most 65,536 event-draws and 2^25 numbers of noise.

    Returns:
        Values and standard errors `(n,)`, and the kind of density.

    Raises:
        ImplicitDensityError: The model has no density.
        ValueError: `key` is missing, a number is below 1, or shapes disagree; or the model answers no such question, a column is unknown, in
            both roles, or none is asked for.

    >>> import jaxgen, numpy as np
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(1.0, 2.0))
    >>> float(jaxgen.log_prob(model, (), np.ones((1, 1))).value[0])
    -1.612
    """
    how: dict[str, Any] = {"key": key, "num_draws": num_draws, "batch_size": batch_size}
    if of is None and given is None:
        return log_prob_of_events(model, params, x, cond, **how)
    questions, size = _questions("log_prob", model, params, cond)
    rows = np.asarray(x, np.float64)
    if rows.ndim != 2 or rows.shape[1] != size or not len(rows):
        raise ValueError(f"log_prob: x has shape {rows.shape}; accepted: (n, {size}) with n >= 1, a batch of this model's events.")
    known = np.full(rows.shape, np.nan)
    if isinstance(given, Mapping):
        known = _known("log_prob", questions, size, given, len(rows))
    elif given is not None:
        places = _complete("given", questions, rows, given)
        known[:, places] = rows[:, places]
    fixed = ~np.isnan(known[0])
    asked = ~fixed if of is None else np.isin(np.arange(size), _complete("of", questions, rows, of))
    if (asked & fixed).any() or not asked.any():
        both = ", ".join(_shown(questions, j) for j in range(size) if asked[j] and fixed[j])
        said = f"{both} in of= and in given=" if both else "no column that is asked for"
        raise ValueError(f"log_prob: {said}; accepted: at least one column in of=, and none of them in given=.")
    event = np.where(asked, rows, np.nan)
    one = model if questions.through is None else _through(model, _mask(fixed), _mask(asked))
    return log_prob_of_events(one, params, jnp.asarray(event, jnp.float32), jnp.asarray(known, jnp.float32), **how)


def impute(key: Key | int, model: Model, params: Params, rows: ArrayLike, draws: int = 1, *, batch_size: int | None = None) -> Event:
    """Fill the gaps of rows by samples of the missing values given the others.

    Args:
        key: A random key, or an integer seed.
        model: A model that answers questions, such as one of an entry built with `any_subset=True`.
        params: Its params.
        rows: Rows `(n, d)` in the units of the data, with NaN for what is missing.
        draws: How many times each row is filled.
        batch_size: How many rows are computed at once; None computes all at once.

    Returns:
        The rows `(draws, n, d)` without gaps; what was there is unchanged.

    Raises:
        ValueError: The model answers no such question, or shapes disagree.

    >>> import jaxgen, jax.numpy as jnp
    >>> entry = jaxgen.zoo.build("tabular", (2,), any_subset=True, width=8, depth=1)
    >>> params = jaxgen.init(0, entry.model)
    >>> jaxgen.impute(0, entry.model, params, [[1.0, jnp.nan]], draws=5)[:, 0, 0].tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    checks.count("impute: draws", draws)
    known = np.asarray(rows, np.float64)
    if known.ndim != 2 or not len(known):
        raise ValueError(f"impute: rows of shape {known.shape}; accepted: (n, d) with n >= 1.")
    tiled = np.tile(known, (draws, 1))
    filled = sample(key, model, params, len(tiled), given=tiled, batch_size=batch_size)
    return filled.reshape(draws, *known.shape)


def _questions(function: str, model: Model, params: Params, cond: Cond) -> tuple[Questions, int]:
    """Return how the model is asked and how many columns its events have, or say what it would take."""
    require_model(function, model)
    questions = model.transform.hooks.questions
    if questions is None:
        raise ValueError(
            f"{function}: given= or of= with a model that was not trained to answer; accepted: a model of an entry built with any_subset=True, "
            'such as jaxgen.zoo.build("cfm", (d,), any_subset=True), "edm", "ddpm", "tabular" or "mixed_diffusion".'
        )
    if cond is not None:
        raise ValueError(f"{function}: cond together with given= or of=; accepted: cond=None, and everything that is known in given=.")
    event = jax.eval_shape(model.transform.forward, params, noise_shape(model))
    return questions, event.shape[0]


def _known(function: str, questions: Questions, size: int, given: Mapping[Name, Any] | ArrayLike, num: int) -> np.ndarray:
    """Return rows `(num, size)` float64 of what is given, NaN elsewhere."""
    if not isinstance(given, Mapping):
        try:
            rows = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            rows = np.empty(0)
        if rows.shape not in ((size,), (1, size), (num, size)) or np.isinf(rows).any():
            accepted = f"values by column, or finite rows ({num}, {size}) with NaN where nothing is known"
            raise ValueError(f"{function}: given=<{type(given).__name__}> of shape {rows.shape}; accepted: {accepted}.")
        return np.broadcast_to(rows, (num, size)).copy()
    known = np.full((num, size), np.nan)
    for name, value in given.items():
        place = _places(f"{function}: given", questions, size, name)[0]
        several = not isinstance(value, str) and np.ndim(value) == 1
        if several and len(value) != num:
            raise ValueError(f"{function}: given[{name!r}] has {len(value)} values; accepted: one, or {num}.")
        values = [_number(f"{function}: given[{name!r}]", questions, place, each) for each in (value if several else [value])]
        known[:, place] = values
    return known


def _number(where: str, questions: Questions, place: int, value: Any) -> float:
    try:
        number = float(value) if questions.number is None else questions.number(place, value)
    except (TypeError, ValueError) as error:
        said = str(error) if questions.number is not None else "accepted: a finite number"
        raise ValueError(f"{where}={value!r}; {said.rstrip('.')}.") from None
    if not np.isfinite(number):
        raise ValueError(f"{where}={value!r}; accepted: a finite number; leave out what is not known.")
    return number


def _places(where: str, questions: Questions, size: int, names: Sequence[Name] | Name) -> list[int]:
    """Return the indices of columns that are named."""
    places: list[int] = []
    for name in [names] if isinstance(names, str | int | np.integer) else names:
        if isinstance(name, str) and name in questions.columns:
            place = questions.columns.index(name)
        else:
            place = int(name) if isinstance(name, int | np.integer) and not isinstance(name, bool) else -1
        if not 0 <= place < size:
            known = ", ".join(map(repr, questions.columns))
            hint = checks.closest(str(name), questions.columns) if questions.columns else ""
            raise ValueError(
                f"{where}: no column {name!r}; accepted: {known + ' or ' if known else ''}an index from 0 to {size - 1}.{hint}"
            )
        places.append(place)
    return places


def _complete(argument: str, questions: Questions, rows: np.ndarray, names: Sequence[Name] | Name) -> list[int]:
    """Return the indices of columns that are named, whose values stand in all rows."""
    places = _places(f"log_prob: {argument}", questions, rows.shape[1], names)
    for j in places:
        gone = np.isnan(rows[:, j])
        if gone.any():
            where = f"{_shown(questions, j)}, which is missing in row {int(np.argmax(gone))} of x"
            raise ValueError(f"log_prob: {argument}= with {where}; accepted: rows with it.")
    return places


def _shown(questions: Questions, place: int) -> str:
    return f"column {questions.columns[place]!r}" if questions.columns else f"column {place}"


def _mask(flags: np.ndarray) -> tuple[bool, ...]:
    return tuple(map(bool, flags))


def _alike(questions: Questions, model: Model, given: np.ndarray) -> list[tuple[np.ndarray, Model]]:
    """Return groups of rows with the model that answers them: all rows at once, or those with the same columns given."""
    if questions.through is None:
        return [(np.arange(len(given)), model)]
    patterns, which = np.unique(given, axis=0, return_inverse=True)
    by: dict[Model, list[int]] = {}
    for k, pattern in enumerate(patterns):
        by.setdefault(_through(model, _mask(pattern), _mask(~pattern)), []).append(k)
    return [(np.flatnonzero(np.isin(which.ravel(), some)), one) for one, some in by.items()]


@functools.lru_cache(maxsize=256)
def _through(model: Model, given: tuple[bool, ...], asked: tuple[bool, ...]) -> Model:
    """Remembered, because programs are compiled for each model."""
    questions = model.transform.hooks.questions
    assert questions is not None and questions.through is not None
    return _with(model, questions.through(given, asked))


@functools.lru_cache(maxsize=256)
def _with(model: Model, transform: Transform) -> Model:
    return Model(model.base, transform)
