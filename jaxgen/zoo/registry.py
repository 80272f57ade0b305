"""The names of the zoo and `build`, which checks its arguments and makes an `Entry`."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Objective
from jaxgen.training import Entry
from jaxgen.training.optimizers import Optimizer
from jaxgen.zoo.sizing import width_for

MAX_DIM = 64


class Recipe(NamedTuple):
    """What a zoo function returns: readings by name (the first is the default), the objective with its name, the optimiser.

    num_steps: a sensible length of training on two-dimensional data, in steps of 256 events.
    """

    readings: Mapping[str, Model]
    objective: Objective
    objective_name: str
    optimizer: Optimizer
    num_steps: int = 3_000


class _Registered(NamedTuple):
    family: str
    function: Callable[..., Recipe]
    pixels: str = ""


VECTOR, IMAGE = 1, 3
_REGISTRY: dict[int, dict[str, _Registered]] = {VECTOR: {}, IMAGE: {}}
"""By the rank of an event, then by name: one name may have a form for vectors and one for images."""

NAMES: list[str] = []
IMAGES: list[str] = []
COMPARED: list[str] = []
FAMILIES: dict[str, str] = {}


def register(family: str, name: str | None = None, *, compared: bool = True) -> Callable[[Callable[..., Recipe]], Callable[..., Recipe]]:
    """Enter a zoo function `(dim, cond_dim, **options) -> Recipe` under `name` or its own.

    compared: whether `jaxgen compare` trains it unasked; further variants of a family are compared by name or by `--models all`.
    """

    def enter(function: Callable[..., Recipe]) -> Callable[..., Recipe]:
        entered = name or function.__name__
        _REGISTRY[VECTOR][entered] = _Registered(family, function)
        NAMES.append(entered)
        if compared:
            COMPARED.append(entered)
        FAMILIES[entered] = family
        return function

    return enter


def register_images(family: str, pixels: str, name: str | None = None) -> Callable[[Callable[..., Recipe]], Callable[..., Recipe]]:
    """Enter a zoo function `((height, width, channels), cond_dim, **options) -> Recipe` for images under `name` or its own.

    pixels: what its events are, "discrete" whole numbers 0, 1, ... or "continuous" values in (-1, 1): `jaxgen.data.load(..., pixels=)`.
    """

    def enter(function: Callable[..., Recipe]) -> Callable[..., Recipe]:
        entered = name or function.__name__
        _REGISTRY[IMAGE][entered] = _Registered(family, function, pixels)
        IMAGES.append(entered)
        FAMILIES.setdefault(entered, family)
        return function

    return enter


def build(name: str, event_shape: Any, cond_shape: Any = None, *, num_params: int | None = None, **options: Any) -> Entry:
    """The entry `name` for events of shape `(d,)`, 1 <= d <= 64, or images `(height, width, channels)`, and conditions `(c,)` or None.

    options: those of the zoo function, such as `width`, `depth`, `learning_rate`; `jaxgen.zoo.describe(name, event_shape)` lists them.
    num_params: choose `width` so that sampling uses about this many parameters.
    Raises ValueError for an unknown name, option or shape, and where `name` has no form for events of that rank.

    >>> import jaxgen
    >>> jaxgen.zoo.build("ddpm", event_shape=(2,)).readings.keys()
    dict_keys(['ancestral', 'ddim', 'ode'])
    """
    family, function, _ = _find(name, event_shape)
    shape, cond_dim = _event(event_shape), None if cond_shape is None else _vector("cond_shape", cond_shape, None)
    event = shape[0] if len(shape) == VECTOR else shape
    known = describe(name, shape)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f"{name}: unknown option {', '.join(unknown)}; accepted: {', '.join(f'{k}={v!r}' for k, v in known.items())}.")
    _check_options(name, options, known)
    if num_params is not None:
        if "width" in options:
            raise ValueError("give num_params or width, not both.")
        options["width"] = width_for(
            lambda width: _default_model(function(event, cond_dim, **{**options, "width": width})), num_params, cond_dim
        )
    recipe = function(event, cond_dim, **options)
    reading = next(iter(recipe.readings))
    config = {"name": name, "event_shape": list(shape), "cond_shape": None if cond_dim is None else [cond_dim], "options": options}
    readings = MappingProxyType(dict(recipe.readings))
    return Entry(
        name,
        family,
        readings[reading],
        readings,
        recipe.objective,
        recipe.optimizer,
        recipe.objective_name,
        reading,
        recipe.num_steps,
        config,
    )


def describe(name: str, event_shape: Any = None) -> dict[str, Any]:
    """The options of an entry with their defaults; of its form for vectors, if it has one, where no `event_shape` is given."""
    parameters = list(inspect.signature(_find(name, event_shape).function).parameters.values())
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def pixels(name: str) -> str:
    """What the events of the entry's form for images are: "discrete" whole numbers 0, 1, ... or "continuous" values in (-1, 1)."""
    return _find(name, (1, 1, 1)).pixels


def _find(name: str, event_shape: Any) -> _Registered:
    ranks = (VECTOR, IMAGE) if event_shape is None else (len(_event(event_shape)),)
    for rank in ranks:
        if name in _REGISTRY[rank]:
            return _REGISTRY[rank][name]
    accepted = list(dict.fromkeys([*NAMES, *IMAGES]))
    if name in accepted:
        kind, others = ("vectors", NAMES) if ranks == (VECTOR,) else ("images", IMAGES)
        raise ValueError(f"name={name!r} has no form for {kind}, event_shape={event_shape!r}; accepted there: {', '.join(others)}.")
    raise ValueError(f"name={name!r}; accepted: {', '.join(accepted)}.")


def _check_options(name: str, options: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Sizes and numbers, here because a transform may make its network only when it sees its first event."""
    for option, value in options.items():
        default = known[option]
        if isinstance(default, bool):
            if not isinstance(value, bool):
                raise ValueError(f"{name}: {option}={value!r}; accepted: True, False.")
        elif isinstance(default, float):
            checks.number(f"{name}: {option}", value)
        elif isinstance(default, int) or (option == "latent_dim" and value is not None):
            checks.count(f"{name}: {option}", value, 0 if option == "depth" else 1)


def _default_model(recipe: Recipe) -> Model:
    return next(iter(recipe.readings.values()))


def _event(shape: Any) -> tuple[int, ...]:
    if isinstance(shape, (tuple, list)) and len(shape) == IMAGE:
        if all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in shape):
            return tuple(shape)
        raise ValueError(f"event_shape={shape!r}; accepted for images: (height, width, channels), integers of at least 1.")
    return (_vector("event_shape", shape, MAX_DIM),)


def _vector(name: str, shape: Any, most: int | None) -> int:
    if not isinstance(shape, (tuple, list)) or len(shape) != 1 or not isinstance(shape[0], int) or not 1 <= shape[0] <= (most or shape[0]):
        raise ValueError(f"{name}={shape!r}; accepted: (d,) with 1 <= d{f' <= {most}, or (height, width, channels)' if most else ''}.")
    return shape[0]
