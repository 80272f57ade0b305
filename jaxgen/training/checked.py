"""What `fit` accepts for events and conditions, read from the model itself."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.extend.core import Jaxpr
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.arguments import require_model
from jaxgen.lifting import zeros_like_shape
from jaxgen.model import Model, init
from jaxgen.objective import Batch, Objective, Schedule
from jaxgen.training.entry import Entry
from jaxgen.training.ties import say_ties
from jaxgen.transform import Preimage
from jaxgen.types import Cond, Event, Key, Shape


class Rows(NamedTuple):
    """Name two arguments of `fit` that belong together, and hold their values.

    Attributes:
        name: The name of the argument with the events, "data" or "valid".
        x: The events.
        cond_name: The name of the argument with their conditions.
        cond: The conditions, or None.
    """

    name: str
    x: ArrayLike | None
    cond_name: str
    cond: ArrayLike | None


def checked_batches(entry: Entry, train: Rows, valid: Rows) -> tuple[Batch, Batch | None]:
    """Return the data to train on and to validate with as batches, after a check against the model.

    The shape of an event is read from the model, by tracing its `init` and `forward`; a condition is what these two accept and read.

    Args:
        entry: The entry to train.
        train: Events, conditions and their names to train on.
        valid: The same to validate with; its events may be None.

    Returns:
        The two batches, the second None if `valid` has no events.

    Raises:
        ValueError: Events or conditions have another shape, dtype or number than the model's, are not finite or no codes that the objective
            knows, are missing or not needed.
    """
    _require_entry(entry)
    if valid.x is None and valid.cond is not None:
        raise ValueError(f"fit: {valid.cond_name}=an array; accepted: None without {valid.name}, whose conditions it holds.")
    if entry.objective.data_free:
        return _draws(entry, train, valid), None
    shape = event_shape(entry.model, train.cond_name, _conditions(train.cond_name, train.cond))
    batch = _batch(train, shape, entry.objective)
    if entry.objective.num_codes is None:
        say_ties(train.name, entry, batch)
    if valid.x is None:
        return batch, None
    held_out = _batch(valid, shape, entry.objective)
    wanted, given = (None if b.cond is None else b.cond.shape[1:] for b in (batch, held_out))
    if wanted != given:
        raise ValueError(f"fit: {valid.cond_name} of shape {given} an event; accepted: {wanted} as in {train.cond_name}.")
    return batch, held_out


def _require_entry(entry: object) -> None:
    """Refuse what is no entry, and an entry made by hand with a field of the wrong type, before a function of it is called."""
    if not isinstance(entry, Entry):
        raise ValueError(f"fit: entry=<{type(entry).__name__}>; accepted: a jaxgen.Entry, such as jaxgen.Entry(model, objective).")
    require_model("Entry", entry.model)
    if not isinstance(entry.objective, Objective):  # pyright: ignore[reportUnnecessaryIsInstance]
        what = getattr(entry.objective, "__name__", f"<{type(entry.objective).__name__}>")
        raise ValueError(f"Entry: objective={what}; accepted: a jaxgen.Objective, such as jaxgen.objectives.maximum_likelihood(model).")
    # `optax.adam` would take the number of steps as its learning rate and train without a word.
    a_factory_of_optax = getattr(entry.optimizer, "__module__", "").startswith("optax.")
    if not isinstance(entry.optimizer, optax.GradientTransformation) and (a_factory_of_optax or not callable(entry.optimizer)):
        what = getattr(entry.optimizer, "__name__", f"<{type(entry.optimizer).__name__}>")
        accepted = "an optimiser such as optax.adam(1e-3), or a function num_steps -> optimiser, such as jaxgen.training.adam(1e-3)"
        raise ValueError(f"Entry: optimizer={what}; accepted: {accepted}.")
    for name in ("init", "loss"):
        if not callable(getattr(entry.objective, name)):
            raise ValueError(f"Objective: {name}={getattr(entry.objective, name)!r}; accepted: a function.")
    if not isinstance(entry.objective.schedule, Schedule):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"Objective: schedule={entry.objective.schedule!r}; accepted: Schedule(prepare_until, judge_from).")
    for name, share in entry.objective.schedule._asdict().items():
        checks.number(f"Schedule: {name}", share, least=0, most=1)


def event_shape(model: Model, name: str, cond: Cond) -> Shape | None:
    """Return the shape of one event of the model; None for events that are no single array.

    Args:
        model: The model, whose `init`, `forward` and `inverse` are traced and not run.
        name: The name of the argument with the conditions, for the message.
        cond: Conditions `(n, *cond)`, or None.

    Raises:
        ValueError: The model cannot be traced with this condition, or does not read it.
    """
    given = "None" if cond is None else f"an array of shape {cond.shape}"

    inverse = model.transform.inverse

    def event(key: Key, cond: Cond) -> Event:
        params = init(key, model, cond)
        return model.transform.forward(params, model.base.sample(seed=key), cond)

    def noise(key: Key, cond: Cond) -> Preimage:
        assert inverse is not None
        return inverse(init(key, model, cond), zeros_like_shape(shape), cond, key)

    first = None if cond is None else cond[0]
    try:
        traced, shape = jax.make_jaxpr(event, return_shape=True)(jax.random.key(0), first)
    except Exception as error:
        raise ValueError(
            f"fit: {name}={given}; accepted: conditions (n, *cond), or None, that the model's functions take; "
            f"tracing them with this one raised {type(error).__name__}: {error}"
        ) from error
    if first is None or _reads_its_last_argument(traced.jaxpr):
        return shape.shape if hasattr(shape, "shape") else None
    if inverse is None or not _reads_its_last_argument(jax.make_jaxpr(noise)(jax.random.key(0), first).jaxpr):
        raise ValueError(f"fit: {name}={given}; accepted: {name}=None, as this model reads no condition.")
    return shape.shape if hasattr(shape, "shape") else None


def _reads_its_last_argument(jaxpr: Jaxpr) -> bool:
    return any(variable is jaxpr.invars[-1] for equation in jaxpr.eqns for variable in equation.invars)


def _draws(entry: Entry, train: Rows, valid: Rows) -> Batch:
    """Return rows without coordinates: they are drawn, split over devices and counted as data are."""
    for rows in (train, valid):
        if rows.x is not None:
            raise ValueError(f"fit: {rows.name}=an array; accepted: {rows.name}=None, as this entry's objective learns without data.")
    cond = _conditions(train.cond_name, train.cond)
    event_shape(entry.model, train.cond_name, cond)
    return Batch(jnp.zeros((1 if cond is None else cond.shape[0], 0)), cond)


def _batch(rows: Rows, event: Shape | None, objective: Objective) -> Batch:
    name, num_codes = rows.name, objective.num_codes
    if rows.x is None:
        raise ValueError(f"fit: {name}=None; accepted: events (n, *event); only an objective without data, such as reverse_kl, takes None.")
    x = _as_array(name, rows.x)
    shape = x.shape[1:] if event is None else event
    if x.ndim < 2 or x.shape[0] == 0 or x.shape[1:] != shape:
        raise ValueError(f"fit: {name} of shape {x.shape}; accepted: (n, {', '.join(map(str, shape))}) with n >= 1.")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"fit: {name} of dtype {x.dtype}; accepted: floating point, for example {name}.astype('float32').")
    fine = np.isfinite(np.asarray(x)) | (np.isnan(np.asarray(x)) if objective.gaps else False)
    finite = fine.reshape(x.shape[0], -1).all(1)
    if not finite.all():
        raise ValueError(f"fit: {name} with a value that is not finite in row {int(np.argmin(finite))}; accepted: finite numbers.")
    if num_codes is not None:
        values = np.asarray(x).reshape(x.shape[0], -1)
        is_code = (values >= 0) & (values < np.asarray(num_codes)) & (values == np.floor(values))
        if not is_code.all():
            row, column = np.argwhere(~is_code)[0]
            where = f"in row {row}" if isinstance(num_codes, int) else f"in row {row}, column {column}"
            most = np.broadcast_to(np.asarray(num_codes), values.shape[1:])[column] - 1
            raise ValueError(
                f"fit: {name} holds {values[row, column]:g} {where}; accepted: the codes 0 to {most} that this entry knows."
            )
    cond = _conditions(rows.cond_name, rows.cond)
    if cond is not None and cond.shape[0] != x.shape[0]:
        raise ValueError(
            f"fit: {rows.cond_name} of shape {cond.shape}; accepted: ({x.shape[0]}, {', '.join(map(str, cond.shape[1:]))}), "
            "a condition for each event."
        )
    return Batch(x, cond)


def _conditions(name: str, cond: ArrayLike | None) -> Cond:
    if cond is None:
        return None
    array = _as_array(name, cond)
    if array.ndim == 0 or array.shape[0] == 0:
        raise ValueError(f"fit: {name} of shape {array.shape}; accepted: (n, *cond) with n >= 1.")
    if not np.isfinite(np.asarray(array)).all():
        raise ValueError(f"fit: {name} with a value that is not finite; accepted: finite numbers.")
    return array


def _as_array(name: str, value: ArrayLike) -> jax.Array:
    try:
        return jnp.asarray(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"fit: {name}=<{type(value).__name__}>; accepted: an array of numbers.") from None
