"""What the functions of a model refuse of their arguments, each in one sentence that names the function."""

import contextlib
import functools
from collections.abc import Generator
from typing import Any, Protocol, cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.lifting import over_batch
from jaxgen.refusals import require_transform
from jaxgen.transform import Density, ImplicitDensityError, Inverse, Preimage, Transform
from jaxgen.types import Cond, Event, Key, Noise, Params, PyTree


class Model(Protocol):
    """Describe a `jaxgen.Model` as this file sees it, which lies below that class."""

    @property
    def base(self) -> Any:
        """Return where noise comes from."""
        ...

    @property
    def transform(self) -> Transform:
        """Return how noise becomes data."""
        ...


def noise_shape(model: Model) -> PyTree:
    """Return the shapes and dtypes of one draw of the model's base."""

    def one_noise(key: Key) -> Noise:
        return model.base.sample(seed=key)

    return jax.eval_shape(one_noise, jax.random.key(0))


def require_model(name: str, model: object) -> None:
    """Refuse what is no model.

    Args:
        name: The function that takes the model, for the message.
        model: The value of the argument `model`.

    Raises:
        ValueError: `model` is no `Model`.
    """
    # An entry has neither field.
    if not (isinstance(model, tuple) and hasattr(model, "base") and hasattr(model, "transform")):
        raise ValueError(f"{name}: model=<{type(model).__name__}>; accepted: a jaxgen.Model, such as the field `model` of an entry.")


@contextlib.contextmanager
def calling(name: str, cond: Cond) -> Generator[None]:
    """Name the arguments of `name` when a model's own function, which is traced here, cannot be called with them.

    Args:
        name: The function, for the message.
        cond: The conditions `(n, *cond)` that were given, or None.

    Raises:
        ValueError: What is traced within the block raised an error that is no refusal of this library.
    """
    try:
        yield
    except Exception as error:
        if "accepted:" in str(error):
            raise
        given = "None" if cond is None else f"an array of shape {cond.shape}"
        said = str(error).split("\n")[0]
        raise ValueError(
            f"{name}: cond={given}; accepted: params and conditions that the model's functions take, which raised {type(error).__name__}: {said}"
        ) from error


def checked_preimage(name: str, preimage: object, num: int) -> Preimage:
    """Return what an inverse returned, or raise a ValueError unless it is a `Preimage` whose log-determinants are scalars.

    Args:
        name: The function that called the inverse, for the message.
        preimage: What the inverse returned for a batch.
        num: The number of events.

    Returns:
        `preimage`.
    """
    if not isinstance(preimage, Preimage):
        raise ValueError(
            f"{name}: model=one whose inverse returns a {type(preimage).__name__}; accepted: an inverse that returns a jaxgen.Preimage."
        )
    for part in ("log_det", "log_q"):
        shape = jnp.shape(getattr(preimage, part))
        if shape not in ((), (num,)):
            raise ValueError(f"{name}: {part} of shape {shape[1:]} an event; accepted: a scalar.")
    return preimage


def as_array(name: str, x: Event, argument: str = "x") -> jax.Array:
    """Return events as an array.

    Args:
        name: The function, for the message.
        x: Events `(n, *event)`, as anything that `jnp.asarray` takes.
        argument: The argument, for the message.

    Returns:
        A JAX array; an array of numbers of NumPy as it is, because a compiled program takes it in faster than `jnp.asarray` does.

    Raises:
        ValueError: `x` is no array of numbers.
    """
    if isinstance(x, jax.Array):
        return x
    if isinstance(x, np.ndarray) and x.dtype.kind in "biuf":
        return cast(jax.Array, x)
    try:
        array = jnp.asarray(x)
        if jnp.issubdtype(array.dtype, np.complexfloating):
            raise TypeError
        return array
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: {argument}={checks.short(x)}; accepted: an array of numbers.") from None


def require_density(name: str, model: Model) -> Density:
    """Return the kind of a model's density.

    Args:
        name: The function, for the message.
        model: The model.

    Returns:
        The field `kind` of its transform, which is not IMPLICIT.

    Raises:
        ImplicitDensityError: The model has no density; the error says what to use instead.
        ValueError: `model` is no `Model`.
    """
    require_model(name, model)
    return _kind_of(name, model)


@functools.lru_cache(maxsize=256)
def _kind_of(name: str, model: Model) -> Density:
    """Looked up once for each model: a density of a few events takes a tenth of a millisecond."""
    require_transform(f"{name}: model.transform", model.transform)
    if model.transform.kind is Density.IMPLICIT:
        raise ImplicitDensityError(
            f"{name}: model=one whose density is implicit; accepted: a model whose density is exact or a bound, such as "
            "jaxgen.zoo.build('nsf', ...), 'cfm' or 'vae'. Samples of this one can be compared: sliced_w2, mmd in jaxgen.evaluation."
        )
    return model.transform.kind


def require_inverse(name: str, model: Model) -> Inverse:
    """Return the inverse of a model's transform over a batch.

    Args:
        name: The function, for the message.
        model: The model.

    Returns:
        The inverse, from events `(n, *event)`.

    Raises:
        ValueError: The transform has no inverse; the error says what to do without one.
    """
    inverse = over_batch(model.transform).inverse
    if inverse is None:
        raise ValueError(
            f"{name}: model=one whose transform has no inverse; accepted: a transform with an inverse. Keep the noise z of a sample."
        )
    return inverse


def check_event(name: str, model: Model, params: Params, x: Event, cond: Cond) -> None:
    """Raise a ValueError unless a batch has the shape of the model's events, which is read by tracing `forward`.

    Args:
        name: The function, for the message.
        model: The model.
        params: Its params.
        x: Events `(n, *event)`.
        cond: Conditions `(n, *cond)`, or None.

    Raises:
        ValueError: The shape is another one, or the model cannot be called with these params and conditions.
    """
    first = None if cond is None else cond[0]
    with calling(name, cond):
        event = jax.eval_shape(model.transform.forward, params, noise_shape(model), first)
    if hasattr(event, "shape") and x.shape[1:] != event.shape:
        wanted = ", ".join(("n", *map(str, event.shape)))
        raise ValueError(f"{name}: x has shape {x.shape}; accepted: ({wanted}), a batch of this model's events.")


def with_rows(name: str, rows: Cond, num: int) -> Cond:
    """Return conditions with one row for each event; a single row is repeated.

    Args:
        name: The function, for the message.
        rows: Conditions `(num, *cond)` or `(1, *cond)`, or None.
        num: The number of events.

    Returns:
        Conditions `(num, *cond)`, or None.

    Raises:
        ValueError: There are conditions, and neither one nor `num` of them.
    """
    if rows is None:
        return None
    if not isinstance(rows, jax.Array):
        rows = as_array(name, rows, "cond")
    if jnp.shape(rows)[:1] == (num,):
        return rows
    if jnp.shape(rows)[:1] == (1,) and num > 0:
        return jnp.broadcast_to(rows, (num, *jnp.shape(rows)[1:]))
    raise ValueError(
        f"{name}: cond has shape {jnp.shape(rows)}; accepted: ({num}, ...), one condition for each event, or (1, ...), one for all."
    )


def check_counts(name: str, batch_size: int | None, **counts: int) -> None:
    """Refuse numbers that count something and are no integers of at least 1.

    Args:
        name: The function, for the message.
        batch_size: How many events a batch has; None if that is chosen for the caller.
        **counts: Further numbers, by the names of their arguments.

    Raises:
        ValueError: One of them is no integer of at least 1.
    """
    checks.counts(name, **counts, **({} if batch_size is None else {"batch_size": batch_size}))
