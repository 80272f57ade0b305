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

MOST = 2**32 - 1
"""The largest number of anything, seeds among them: JAX seeds and counts with 32 bits."""


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
        raise ValueError(f"{name}={short(value)}; accepted: an integer of at least {least}.")
    if value > MOST:
        raise ValueError(f"{name}={short(value)}; accepted: an integer from {least} to {MOST}.")


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
    except (TypeError, ValueError, OverflowError):
        as_float = math.nan
    if not (math.isfinite(as_float) and above < as_float < below and least <= as_float <= most):
        named = (("above", above), ("at least", least), ("below", below), ("at most", most))
        limits = [f"{word} {limit:g}" for word, limit in named if math.isfinite(limit)]
        raise ValueError(f"{name}={short(value)}; accepted: a finite number{' ' * bool(limits)}{' and '.join(limits)}.")


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
    if isinstance(value, jax.Array | np.ndarray) and (value.dtype == np.uint32 or jnp.issubdtype(value.dtype, jax.dtypes.prng_key)):
        return jnp.asarray(value) if isinstance(value, np.ndarray) else value
    raise ValueError(f"{name}={short(value)}; accepted: a key such as jax.random.key(0), or an integer seed from 0 to {2**32 - 1}.")


def short(value: object) -> str:
    """Return the text of a value for a message, or its type if the text is long.

    >>> short(0.5), short(list(range(100)))
    ('0.5', '<list>')
    """
    try:
        text = repr(value)
    except Exception:  # a repr may raise anything, and a message must not
        text = ""
    if isinstance(value, np.ndarray | jax.Array):
        return f"<array of {value.dtype} of shape {value.shape}>"
    return text if 0 < len(text) <= 80 and "\n" not in text else f"<{type(value).__name__}>"


def numbers(name: str, value: object, accepted: str = "numbers") -> np.ndarray:
    """Return what a user gave for numbers as an array of float64.

    Args:
        name: The function and the argument, as in "affine: loc", for the message.
        value: The value of the argument.
        accepted: What is accepted, for the message.

    Raises:
        ValueError: The value is no array of numbers, nor a number.

    >>> numbers("affine: loc", ["a"])
    Traceback (most recent call last):
    ValueError: affine: loc=['a']; accepted: numbers.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "buif" and not jnp.issubdtype(array.dtype, np.floating):
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}={short(value)}; accepted: {accepted}.") from None


def shape(name: str, value: object) -> tuple[int, ...]:
    """Return a shape that a user gave as a tuple of integers.

    Args:
        name: The function and the argument, as in "normal: shape", for the message.
        value: The value of the argument.

    Raises:
        ValueError: The value is no sequence of integers of at least 1; the empty one is that of a single number.

    >>> shape("normal: shape", 2)
    Traceback (most recent call last):
    ValueError: normal: shape=2; accepted: a tuple of integers of at least 1, such as (2,).
    """
    sides = tuple(value) if isinstance(value, tuple | list) else (0,)
    if not all(isinstance(n, int | np.integer) and not isinstance(n, bool) and 0 < n <= MOST for n in sides):
        raise ValueError(f"{name}={short(value)}; accepted: a tuple of integers of at least 1, such as (2,).")
    return tuple(int(n) for n in sides)


def leaves(name: str, tree: object) -> None:
    """Refuse a pytree with a leaf that is neither an array of numbers nor a number.

    Args:
        name: The function and the argument, as in "certify: params", for the message.
        tree: The value of the argument.

    Raises:
        ValueError: A leaf is something else.

    >>> leaves("certify: params", {"w": "x"})
    Traceback (most recent call last):
    ValueError: certify: params['w']='x'; accepted: arrays of numbers.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not isinstance(leaf, jax.Array | int | float | np.number) and getattr(leaf, "dtype", np.dtype(object)).kind not in "buif":
            raise ValueError(f"{name}{jax.tree_util.keystr(path)}={short(leaf)}; accepted: arrays of numbers.")


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
