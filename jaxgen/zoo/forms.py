"""The forms of an entry: for which events it is made, with which defaults, and at which small sizes the tests run it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import NamedTuple, TypeAlias, get_args, get_type_hints

from jaxgen import checks
from jaxgen.training import Entry
from jaxgen.types import Shape
from jaxgen.zoo.image_sizes import PUBLISHED, Size, sized
from jaxgen.zoo.networks import IMAGE, Nets

Option: TypeAlias = bool | int | float | str | Sequence[int] | None
"""A value that an option of an entry may have; JSON holds it."""
Make: TypeAlias = Callable[..., Entry]
"""A zoo function `(nets, **options) -> Entry`."""

VECTOR = 1
NONE: Mapping[str, Option] = MappingProxyType({})
PLAIN = 64
"""Up to this many coordinates the defaults are as they stand; above it they change with the number of coordinates."""
NETWORK = tuple(field.name for field in fields(Nets))[2:]
"""The options that go to `Nets`; all others go to the zoo function."""


class Form(NamedTuple):
    """One kind of events that an entry is made for.

    Attributes:
        rank: The rank of an event, 1 for vectors or 3 for images.
        defaults: The network options that the form offers, with their defaults, and other defaults than the zoo function's own.
        small: The options at which tests run the entry.
        num_steps: A sensible number of training steps.
        growth: How the default width grows above 64 coordinates: as this power of their number.
        pixels: What the events of an image form are, "discrete" or "continuous"; "discrete" for sequences and empty for vectors.
        name: The name of this form where it is not that of the zoo function; None otherwise.
    """

    rank: int
    defaults: Mapping[str, Option]
    small: Mapping[str, Option]
    num_steps: int
    growth: float = 0.0
    pixels: str = ""
    name: str | None = None


def vector(
    *,
    num_steps: int = 3_000,
    growth: float = 1.0,
    small: Mapping[str, Option] | None = None,
    name: str | None = None,
    options: Mapping[str, Option] | None = None,
    **network: Option,
) -> Form:
    """Declare that an entry is made for vectors `(d,)`.

    Args:
        num_steps: A sensible number of training steps on two-dimensional data.
        growth: Above 64 coordinates the default width grows as this power of their number.
        small: Options at which tests run the entry, beside a width of 16 and a depth of 2.
        name: The entry's name; None takes that of the zoo function.
        options: Defaults of the zoo function's own options that are others than in its signature.
        network: The network options that the form offers, with their defaults, such as `width=64, depth=2`.
    """
    sizes = {k: v for k, v in {"width": 16, "depth": 2}.items() if k in network}
    return Form(VECTOR, {**network, **(options or {})}, {**sizes, **(small or {})}, num_steps, growth, "", name)


def sequence(
    *,
    num_steps: int = 5_000,
    small: Mapping[str, Option] | None = None,
    name: str | None = None,
    options: Mapping[str, Option] | None = None,
    **network: Option,
) -> Form:
    """Declare that an entry is made for sequences or rows of codes 0.0, 1.0, ..., `(d,)`.

    Args:
        num_steps: A sensible number of training steps.
        small: Options at which tests run the entry, beside a width of 16, a depth of 1 and two levels.
        name: The entry's name; None takes that of the zoo function.
        options: Defaults of the zoo function's own options that are others than in its signature.
        network: The network options that the form offers, with their defaults; `levels` is the number of codes of a site.
    """
    sizes = {k: v for k, v in {"width": 16, "depth": 1, "levels": 2}.items() if k in network}
    return Form(VECTOR, {**network, **(options or {})}, {**sizes, **(small or {})}, num_steps, 0.0, "discrete", name)


def image(
    pixels: str,
    *,
    num_steps: int = 20_000,
    small: Mapping[str, Option] | None = None,
    name: str | None = None,
    options: Mapping[str, Option] | None = None,
    **network: Option,
) -> Form:
    """Declare that an entry is made for images `(height, width, channels)`.

    Args:
        pixels: What an event is: "discrete" whole numbers 0, 1, ... or "continuous" values in (-1, 1); see
            `jaxgen.data.load(..., pixels=)`.
        num_steps: A sensible number of training steps.
        small: Options at which tests run the entry, beside a width of 8, a depth of 1 and two levels.
        name: The entry's name; None takes that of the zoo function.
        options: Defaults of the zoo function's own options that are others than in its signature.
        network: The network options that the form offers, with their defaults.
    """
    sizes = {k: v for k, v in {"width": 8, "depth": 1, "levels": 2}.items() if k in network}
    return Form(IMAGE, {**network, **(options or {})}, {**sizes, **(small or {})}, num_steps, 0.0, pixels, name)


def options_of(
    form: Form, make: Make, event: Shape | None, size: Size = PUBLISHED, given: Mapping[str, Option] = NONE
) -> dict[str, Option]:
    """Return the options of a form with their defaults.

    Above 64 coordinates a vector's networks grow and the learning rate falls, because a layer narrower than an event loses part of it
    and a wider layer takes shorter steps. An image's networks have a size.

    Args:
        form: The form.
        make: The zoo function.
        event: The shape of an event; None stands for events of few coordinates.
        size: The size of an image's networks.
        given: What the caller gave; other defaults may depend on it.
    """
    of_function = _own(make)
    known = {k: v for k, v in form.defaults.items() if k not in of_function} | {k: form.defaults.get(k, v) for k, v in of_function.items()}
    ratio = 1.0 if event is None or form.rank != VECTOR else max(1.0, event[0] / PLAIN)
    width, rate = known.get("width"), known.get("learning_rate")
    if ratio > 1 and isinstance(width, int):
        known["width"] = max(2, round(width * ratio**form.growth))
    if ratio > 1 and isinstance(rate, float):
        known["learning_rate"] = rate / ratio**0.5
    if form.rank == IMAGE and event is not None:
        known |= sized(size, event, known, given)
    return known


def check_form(name: str, form: Form, make: Make) -> None:
    """Refuse a default or a small size of a form that is neither a network option nor an option of the zoo function.

    Args:
        name: The name of the entry, for the message.
        form: The form.
        make: The zoo function.

    Raises:
        ValueError: There is such an option; the message names it.
    """
    accepted = {*NETWORK, *_own(make)}
    for option in sorted({*form.defaults, *form.small} - accepted):
        raise ValueError(f"zoo.register: {name} has no option {option!r}; accepted: {', '.join(sorted(accepted))}.{checks.closest(option, accepted)}")


def _own(make: Make) -> dict[str, Option]:
    """Return the zoo function's own options with the defaults of its signature."""
    return {p.name: p.default for p in inspect.signature(make).parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def check_options(name: str, given: Mapping[str, Option], known: Mapping[str, Option], make: Make) -> None:
    """Refuse an unknown option, or a value of another kind than the option's.

    Sizes are checked here because a transform may make its network only when it sees its first event.

    Args:
        name: The name of the entry, for the message.
        given: The options that the caller gave.
        known: The options of the entry with their defaults.
        make: The zoo function, whose signature says the kinds of its options.

    Raises:
        ValueError: An option is unknown or its value is of another kind.
    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        accepted = ", ".join(f"{k}={v!r}" for k, v in known.items())
        hint = checks.closest(unknown[0], known)
        raise ValueError(f"zoo.build: {name} has no option {', '.join(unknown)}; accepted: {accepted}.{hint}")
    kinds = {**get_type_hints(Nets), **get_type_hints(make)}
    for option, value in given.items():
        if value is None and (known[option] is None or type(None) in get_args(kinds[option])):
            continue
        accepted = get_args(kinds[option]) or (kinds[option],)
        if bool in accepted:
            if not isinstance(value, bool) and not (len(accepted) > 1 and isinstance(value, list | tuple)):
                raise ValueError(f"{name}: {option}={value!r}; accepted: True, False.")
        elif float in accepted:
            checks.number(f"{name}: {option}", value)
        elif int in accepted:
            checks.count(f"{name}: {option}", value, 0 if option in ("depth", "num_kernels") else 1)
