"""Checks of the numbers that factories take: a bad number is named where it is given, not found as NaN much later."""

import difflib
import math
import sys
import warnings
from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def count(name: str, value: object, least: int = 1) -> None:
    """Refuse a value that is no integer of at least `least`; integers of numpy pass, booleans do not.

    Args:
        name: The function and the argument, as in "fit: num_steps", for the message.
        value: The value of the argument.
        least: The smallest integer that is accepted.

    Raises:
        ValueError: The value is no such integer.

    >>> count("fit: num_steps", 0)
    Traceback (most recent call last):
    ValueError: fit: num_steps=0; accepted: an integer of at least 1.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value!r}; accepted: an integer of at least {least}.")


def number(
    name: str, value: object, *, above: float = -math.inf, least: float = -math.inf, below: float = math.inf, most: float = math.inf
) -> None:
    """Refuse a value that is no finite number within the limits; a traced value passes, as its number is not known yet.

    Args:
        name: The function and the argument, as in "adam: learning_rate", for the message.
        value: The value of the argument.
        above: The number that the value has to exceed.
        least: The smallest number that is accepted.
        below: The number that has to exceed the value.
        most: The largest number that is accepted.

    Raises:
        ValueError: The value is no such number.

    >>> number("make_step: ema", 1.0, least=0, below=1)
    Traceback (most recent call last):
    ValueError: make_step: ema=1.0; accepted: a finite number at least 0 and below 1.
    """
    if isinstance(value, Tracer):
        return
    try:
        as_float = math.nan if isinstance(value, str | bool) else float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        as_float = math.nan
    if not (math.isfinite(as_float) and above < as_float < below and least <= as_float <= most):
        named = (("above", above), ("at least", least), ("below", below), ("at most", most))
        limits = [f"{word} {limit:g}" for word, limit in named if math.isfinite(limit)]
        raise ValueError(f"{name}={value!r}; accepted: a finite number{' ' * bool(limits)}{' and '.join(limits)}.")


def key(name: str, value: object) -> jax.Array:
    """Return the random key that a user gave, as a key or as an integer seed.

    Args:
        name: The function and the argument, as in "sample: key", for the message.
        value: The value of the argument.

    Returns:
        The value itself if it is an array, and `jax.random.key(value)` if it is an integer.

    Raises:
        ValueError: The value is neither, or the seed does not fit 32 bits, to which JAX would silently cut it.

    >>> key("sample: key", "0")
    Traceback (most recent call last):
    ValueError: sample: key='0'; accepted: a key such as jax.random.key(0), or an integer seed from 0 to 4294967295.
    """
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and 0 <= value < 2**32:
        return jax.random.key(int(value))
    if isinstance(value, jax.Array | np.ndarray):
        return jnp.asarray(value) if isinstance(value, np.ndarray) else value
    text = repr(value)
    accepted = f"a key such as jax.random.key(0), or an integer seed from 0 to {2**32 - 1}"
    raise ValueError(f"{name}={text if len(text) <= 80 else f'<{type(value).__name__}>'}; accepted: {accepted}.")


def closest(value: object, accepted: Iterable[str]) -> str:
    """Return a hint at the accepted name that is closest to a wrong one, to be put behind an error; empty if none is close.

    Args:
        value: What the user gave.
        accepted: The names that are accepted.

    >>> closest("realnvpp", ["realnvp", "nsf"])
    " Did you mean 'realnvp'?"
    >>> closest("xyz", ["realnvp", "nsf"])
    ''
    """
    names = difflib.get_close_matches(str(value).lower(), list(accepted), 1)
    return f" Did you mean {names[0]!r}?" if names else ""


def counts(function: str, **values: object) -> None:
    """Refuse the first of the arguments of `function` that is no integer of at least 1.

    Args:
        function: The name of the function whose arguments these are, for the message.
        **values: The arguments by name.

    Raises:
        ValueError: An argument is no integer of at least 1; the message names it.
    """
    for name, value in values.items():
        count(f"{function}: {name}", value)


def positive_numbers(name: str, values: object) -> None:
    """Refuse what is not one or more positive numbers.

    Args:
        name: The function and the argument, as in "mmd: widths", for the message.
        values: The value of the argument.

    Raises:
        ValueError: The value is no sequence, is empty, or holds anything but positive numbers.

    >>> positive_numbers("mmd: widths", 3.0)
    Traceback (most recent call last):
    ValueError: mmd: widths=3.0; accepted: one or more positive numbers.
    """
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise ValueError(f"{name}={values!r}; accepted: one or more positive numbers.")
    for value in values:
        number(name, value, above=0)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's code that led here, whatever functions of this library lie between.

    Args:
        message: The warning.
        category: Its class.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "jaxgen":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
