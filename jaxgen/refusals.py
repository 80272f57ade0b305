"""What is refused of a transform that was built wrongly, in one sentence and before it shows far from where it was made."""

from collections.abc import Mapping

from jaxgen.transform import Density, Hooks, Maps, Part, Transform


def require_transform(name: str, f: object) -> None:
    """Refuse what is no transform, or is a transform with a field of the wrong type.

    A tuple does not look at its fields, so a mistake would otherwise show much later and far from where it was made.

    Args:
        name: The function and the argument, as in "chain: transforms[0]", for the message.
        f: The value of the argument.

    Raises:
        ValueError: `f` is no `Transform`, or one of its fields has another type than the field takes.

    >>> require_transform("chain: transforms[0]", print)
    Traceback (most recent call last):
    ValueError: chain: transforms[0]=<built-in function print>; accepted: a jaxgen.Transform.
    """
    if not isinstance(f, Transform):
        raise ValueError(f"{name}={short(f)}; accepted: a jaxgen.Transform.")
    maps = (
        "Maps(forward, inverse, forward_and_log_det), functions or None; jaxgen.bijection(init, forward_and_log_det, inverse) derives them"
    )
    _require_field("init", f.init, callable(f.init), "a function (key, z, cond=None) -> params")
    _require_field("one", f.one, isinstance(f.one, Maps) and callable(f.one.forward), maps)  # pyright: ignore[reportUnnecessaryIsInstance]
    _require_field("kind", f.kind, isinstance(f.kind, Density), ", ".join(f"Density.{kind.name}" for kind in Density))  # pyright: ignore[reportUnnecessaryIsInstance]
    _require_field("many", f.many, f.many is None or isinstance(f.many, Maps), f"None, or {maps}")  # pyright: ignore[reportUnnecessaryIsInstance]
    _require_field("proxy", f.proxy, f.proxy is None or isinstance(f.proxy, Transform), "a jaxgen.Transform, or None")  # pyright: ignore[reportUnnecessaryIsInstance]
    _require_field("hooks", f.hooks, isinstance(f.hooks, Hooks), "Hooks(stages, nfe, data_init, refine, questions)")  # pyright: ignore[reportUnnecessaryIsInstance]
    parts = isinstance(f.parts, Mapping) and all(isinstance(part, Part) for part in f.parts.values())  # pyright: ignore[reportUnnecessaryIsInstance]
    _require_field("parts", f.parts, parts, "a dict from names to Part(function), such as {'velocity': Part(velocity)}")


def _require_field(field: str, value: object, right: bool, accepted: str) -> None:
    if not right:
        raise ValueError(f"Transform: {field}={short(value)}; accepted: {accepted}.")


def short(value: object) -> str:
    """The value in a message; a tuple of closures or an array would fill the screen."""
    text = repr(value)
    return text if len(text) <= 80 and "\n" not in text else f"<{type(value).__name__}>"
