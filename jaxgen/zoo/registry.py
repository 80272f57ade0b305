"""The names of the zoo, and `build`, which checks its arguments and makes an `Entry`."""

import inspect
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.training import Entry, Style
from jaxgen.training.optimizers import Adam
from jaxgen.types import Cond, Key, Noise, Params, Shape
from jaxgen.zoo.forms import NETWORK, VECTOR, Form, Make, Option, check_form, check_options, options_of
from jaxgen.zoo.image_sizes import PUBLISHED, Size, find_size
from jaxgen.zoo.networks import IMAGE, Nets
from jaxgen.zoo.sizing import width_for


class Family(NamedTuple):
    """Describe a family of entries.

    Attributes:
        name: The name under which pages list its entries.
        style: How pages and pictures present it.
    """

    name: str
    style: Style = Style()


class Registered(NamedTuple):
    """Hold one entry for one kind of events.

    Attributes:
        family: The family of the entry.
        make: The zoo function.
        form: The kind of events, with the defaults and the small sizes.
    """

    family: Family
    make: Make
    form: Form


LONGER = 3
"""How many times as long a conditional flow trains."""
LONGEST = 4
"""How many times as long a model trains that answers any question without a likelihood (`benchmarks/any_subset.py`)."""

_REGISTRY: dict[int, dict[str, Registered]] = {VECTOR: {}, IMAGE: {}}
"""By the rank of an event, then by name: one name may have a form for vectors and one for images."""

NAMES: list[str] = []
"""The entries for vectors of numbers."""
DISCRETE: list[str] = []
"""The entries for sequences or rows of codes 0.0, 1.0, ..."""
IMAGES: list[str] = []
"""The entries for images."""
COMPARED: list[str] = []
"""The entries for vectors that `jaxgen compare` trains unasked."""
FAMILIES: dict[str, str] = {}
"""The family of each entry."""


def register(family: Family, *forms: Form, compared: bool = True) -> Callable[[Make], Make]:
    """Enter a zoo function `(nets, **options) -> Entry` under its own name, once for each form.

    Args:
        family: The family under which pages list the entry.
        forms: For which events the entry is made: `vector(...)`, `sequence(...)`, `image(...)` or several of them.
        compared: Whether `jaxgen compare` trains the entry unasked; further variants of a family are compared when they are named.

    Returns:
        A decorator that returns the function as it is.

    Raises:
        ValueError: A form has a default for something that is no option, or the name is taken.

    >>> from jaxgen import zoo
    >>> @zoo.register(zoo.Family("mine"), zoo.vector(width=16))
    ... def mine(nets, *, learning_rate: float = 1e-3):
    ...     return zoo.flow.realnvp(nets, num_layers=2, learning_rate=learning_rate)
    >>> zoo.build("mine", (2,)).card.family
    'mine'
    >>> zoo.forget("mine")
    """

    def enter(make: Make) -> Make:
        for form in forms:
            name = form.name or make.__name__
            check_form(name, form, make)
            if name in _REGISTRY[form.rank]:
                raise ValueError(f"zoo.register: name={name!r}; accepted: a name that is not taken; zoo.forget({name!r}) frees it.")
            _REGISTRY[form.rank][name] = Registered(family, make, form)
            FAMILIES.setdefault(name, family.name)
            names = IMAGES if form.rank == IMAGE else DISCRETE if form.pixels else NAMES
            names.append(name)
            if compared and names is NAMES:
                COMPARED.append(name)
        return make

    return enter


def forget(name: str) -> None:
    """Remove an entry from the zoo in all its forms, for example one that a notebook defines a second time."""
    for names in (NAMES, DISCRETE, IMAGES, COMPARED):
        names[:] = [other for other in names if other != name]
    for entries in _REGISTRY.values():
        entries.pop(name, None)
    FAMILIES.pop(name, None)


def build(
    name: str,
    event_shape: Sequence[int],
    cond_shape: Sequence[int] | None = None,
    *,
    num_params: int | None = None,
    size: str | None = None,
    **options: Option,
) -> Entry:
    """Build the entry `name` for events and conditions of these shapes.

    Args:
        name: One of `jaxgen.zoo.NAMES` for vectors, of `jaxgen.zoo.DISCRETE` for sequences of codes, or of `jaxgen.zoo.IMAGES` for images.
        event_shape: `(d,)` for vectors of d numbers, or `(height, width, channels)` for images.
        cond_shape: `(c,)` for conditions of c numbers; None for a model without conditions.
        num_params: Choose `width` so that sampling uses about this many parameters; None keeps the width.
        size: For images, how large networks are by default and how long a sensible training is: "small", "base" or "published". None takes
            "small" on a CPU and "published" on an accelerator; the card's config keeps the options that this changes.
        options: Options of the entry, such as `width`, `depth` and `learning_rate`; `describe(name, event_shape)` lists them.

    Returns:
        An entry that `jaxgen.fit` trains, with its name, family and options on its card.

    Raises:
        ValueError: The name, a shape or an option is unknown, or the entry has no form for events of that rank.

    >>> import jaxgen
    >>> entry = jaxgen.zoo.build("ddpm", event_shape=(2,))
    >>> list(entry.readings), entry.card.family
    (['ancestral', 'ddim', 'ode'], 'diffusion')
    """
    shape = _event(event_shape)
    cond_dim = None if cond_shape is None else _vector("cond_shape", cond_shape, "(c,) with c >= 1, or None")
    family, make, form = _find(name, shape)
    chosen_size = _size("zoo.build", size, shape)
    known = options_of(form, make, shape, chosen_size, options)
    check_options(name, options, known, make)
    options = {option: _plain(value) for option, value in options.items()}

    def entry_of(given: dict[str, Option]) -> Entry:
        chosen = {**known, **given}
        network = {k: chosen.pop(k) for k in NETWORK if k in chosen}
        return make(Nets(shape, cond_dim, **network), **chosen)  # pyright: ignore[reportArgumentType] # checked above

    def model_of(width: int) -> Model:
        return entry_of({**options, "width": width}).model

    if num_params is not None:
        if "width" in options:
            raise ValueError(f"zoo.build: num_params={num_params!r} and width={options['width']!r}; accepted: one of the two.")
        options["width"] = width_for(model_of, num_params, cond_dim)
    entry = entry_of(options)
    published = options_of(form, make, shape)
    # The device that loads the entry may be another one, so what depends on the device is kept.
    options = {**{option: value for option, value in known.items() if value != published[option]}, **options}
    config = {"name": name, "event_shape": list(shape), "cond_shape": None if cond_dim is None else [cond_dim], "options": options}
    config |= _origin(make)
    wanted = None if cond_dim is None else (cond_dim,)
    readings = {reading: _of_conditions(name, wanted, model) for reading, model in entry.models.items()}
    # A conditional flow is one density for each condition: it takes longer, and a training with validation cools down where that is too long.
    longer = LONGER if cond_dim is not None and isinstance(entry.optimizer, Adam) and entry.optimizer.cools else 1
    # Of all questions each is asked in few rows of a batch: at a few thousand steps regressions in time are far from what they reach.
    longer = LONGEST if options.get("any_subset") and entry.card.objective != "maximum likelihood" else longer
    lasts = {"num_steps": int(min(longer * form.num_steps, chosen_size.num_steps)), "batch_size": chosen_size.batch_size}
    card = entry.card._replace(name=name, family=family.name, style=family.style, config=config, **lasts)
    return entry._replace(model=readings[entry.card.reading], card=card, readings=MappingProxyType(readings))


def describe(name: str, event_shape: Sequence[int] | None = None, size: str | None = None) -> dict[str, Option]:
    """Return the options of an entry with their defaults.

    Args:
        name: The entry's name.
        event_shape: The shape of the events, on which the defaults depend; None describes the form for vectors of few coordinates, or the
            form for images, at its published sizes, if the entry has no other.
        size: For images, as `build` takes it.

    >>> import jaxgen
    >>> jaxgen.zoo.describe("realnvp")
    {'width': 48, 'depth': 2, 'num_layers': 12, 'learning_rate': 0.003}
    """
    shape = None if event_shape is None else _event(event_shape)
    _, make, form = _find(name, shape)
    return options_of(form, make, shape, _size("zoo.describe", size, shape))


def docstring(name: str, event_shape: Sequence[int] | None = None) -> str:
    """Return the text of the function that makes an entry: what the entry is, its own options, and its source.

    Args:
        name: The entry's name.
        event_shape: The shape of the events; None takes the form for vectors if there is one.

    >>> import jaxgen
    >>> jaxgen.zoo.docstring("maf").splitlines()[0][-1]
    '.'
    """
    return inspect.getdoc(_find(name, None if event_shape is None else _event(event_shape)).make) or ""


def small(name: str, event_shape: Sequence[int] | None = None) -> dict[str, Option]:
    """Return options that make an entry as small as tests want it: few layers, units and steps.

    Args:
        name: The name of an entry.
        event_shape: The shape of an event, which tells forms of one name apart; None takes the form for vectors if there is one.

    >>> from jaxgen import zoo
    >>> zoo.small("gan")
    {'width': 16, 'depth': 2}
    """
    return dict(_find(name, None if event_shape is None else _event(event_shape)).form.small)


def pixels(name: str) -> str:
    """Return what the events of an image entry are: "discrete" whole numbers 0, 1, ... or "continuous" values in (-1, 1)."""
    return _find(name, (1, 1, 1)).form.pixels


def _origin(make: Make) -> dict[str, str]:
    """The module of an entry from outside the library, by which a run folder finds it again; a notebook has none that can be imported."""
    module = make.__module__
    return {} if module == "__main__" or module.split(".")[0] == "jaxgen" else {"module": module}


def _find(name: str, event: Shape | None) -> Registered:
    for rank in (VECTOR, IMAGE) if event is None else (len(event),):
        if isinstance(name, str) and name in _REGISTRY[rank]:  # pyright: ignore[reportUnnecessaryIsInstance]
            return _REGISTRY[rank][name]
    accepted = list(dict.fromkeys([*NAMES, *DISCRETE, *IMAGES]))
    if isinstance(name, str) and name in accepted and event is not None:
        kind, others = ("vectors", [*NAMES, *DISCRETE]) if len(event) == VECTOR else ("images", IMAGES)
        raise ValueError(f"zoo.build: name={name!r} with event_shape={event!r}; accepted for {kind}: {', '.join(others)}.")
    raise ValueError(f"zoo.build: name={checks.short(name)}; accepted: {', '.join(accepted)}.{checks.closest(name, accepted)}")


def _of_conditions(name: str, wanted: Shape | None, model: Model) -> Model:
    """Return the model with an `init` that refuses a condition of another shape than the entry was built for."""

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        shape = None if cond is None else jnp.shape(cond)
        if shape != wanted:
            raise ValueError(f"{name}: a condition of shape {shape}; accepted: {wanted}, the cond_shape that this entry was built with.")
        return model.transform.init(key, z, cond)

    return model._replace(transform=model.transform._replace(init=init))


def _size(where: str, size: str | None, event: Shape | None) -> Size:
    if event is not None and len(event) == IMAGE:
        return find_size(where, size)
    if size is not None:
        raise ValueError(f"{where}: size={size!r} with event_shape={event!r}; accepted: None, because sizes are for images.")
    return PUBLISHED


def _event(shape: Sequence[int]) -> Shape:
    accepted = "(d,) with d >= 1, or (height, width, channels), integers of at least 1"
    if isinstance(shape, (tuple, list)) and len(shape) == IMAGE:
        if all(_is_size(n) for n in shape):
            return tuple(int(n) for n in shape)
        raise ValueError(f"zoo.build: event_shape={shape!r}; accepted: {accepted}.")
    return (_vector("event_shape", shape, accepted),)


def _vector(argument: str, shape: Sequence[int], accepted: str) -> int:
    if not isinstance(shape, (tuple, list)) or len(shape) != 1 or not _is_size(shape[0]):
        raise ValueError(f"zoo.build: {argument}={shape!r}; accepted: {accepted}.")
    return int(shape[0])


def _is_size(n: object) -> bool:
    return isinstance(n, int | np.integer) and not isinstance(n, bool) and int(n) >= 1


def _plain(value: Option) -> Option:
    """A number of numpy as one of Python, which JSON can hold: a run folder is written after training, too late for an error."""
    return value.item() if isinstance(value, np.generic) else value
