"""What is said of numbers that are not finite and go into, or come out of, the functions of a model: how many, where, and what from."""

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from jaxgen import checks
from jaxgen.types import Params, PyTree

FEW = 32
"""So many numbers are added faster by Python than by numpy."""
_unsaid: contextvars.ContextVar[bool] = contextvars.ContextVar("_unsaid", default=False)


class NotFiniteWarning(UserWarning):
    """Say that numbers which are not finite went into, or came out of, a function of a model."""


@contextlib.contextmanager
def unsaid() -> Iterator[None]:
    """Say nothing within the block, for callers who look at the numbers themselves."""
    token = _unsaid.set(True)
    try:
        yield
    finally:
        _unsaid.reset(token)


def look(
    name: str,
    params: Params,
    *,
    events: PyTree = None,
    density: jax.Array | None = None,
    are_gaps: Callable[[np.ndarray], np.ndarray] | None = None,
    **rows: PyTree,
) -> None:
    """Warn of results that are not finite, and of infinite numbers given; the counts, the rows and the likely cause are in the warning.

    Results are looked at on a CPU only, because elsewhere it would have to wait for the device, and not under a transformation of JAX. A log
    density of minus infinity is that of an event outside the support, and NaN in an event is a gap if its log density is finite.

    Args:
        name: The function of the model, for the message.
        params: The params.
        events: Results `(n, ...)`, such as samples or noise; None if there are none.
        density: Log densities `(n,)`, or None.
        are_gaps: `rows -> bools`, whether events of these rows that are not finite are events of the model; None if none are.
        **rows: What was given, by the name of the argument, `(n, ...)` each or None.
    """
    # What is done of a call in which all is well takes microseconds. An event in it that was infinite has shown in the result.
    if _all_finite(density) and _all_finite(events) and _all_finite(rows.get("cond")) or _unsaid.get():
        return
    given = {label: _rows(array) for label, array in rows.items() if array is not None}
    infinite, missing = ({label: test(a).any(1) for label, a in given.items()} for test in (np.isinf, np.isnan))
    of_events, of_density = (None if tree is None else ~np.isfinite(_rows(tree)).all(1) for tree in (events, density))
    affected = np.logical_or.reduce([bad for bad in (of_events, of_density) if bad is not None])
    bad = affected if density is None else affected & ~(np.isneginf(np.asarray(density)) & (~of_events if of_events is not None else True))
    if are_gaps is not None and bad.any():
        bad = bad.copy()
        bad[np.flatnonzero(bad)] = ~are_gaps(np.flatnonzero(bad))
    said = {label: infinite[label] | (missing[label] & affected) for label in given}
    causes = [f"{label} is not finite in {_named(there)}" for label, there in said.items() if there.any()]
    if not bad.any() and not causes:
        return
    if affected.any() and (leaves := _bad_leaves(params)):
        causes.insert(0, f"params hold numbers that are not finite in {leaves}")
    if not causes:
        disagree = of_events is not None and of_density is not None and (of_events != of_density)[bad].any()
        causes = [
            "samples and log densities disagree about being finite, as behind an ODE that is too stiff for its solver"
            if disagree
            else "what was given is finite, so a solver has given up or a number has overflowed"
        ]
    found = f"{int(bad.sum())} of {len(bad)} results are not finite, in {_named(bad)}: " if bad.any() else ""
    checks.warn(f"{name}: {found}{'; '.join(causes)}.", NotFiniteWarning)


def _all_finite(tree: Any) -> bool:
    """Return whether all numbers are finite, as far as they are floating-point numbers on the host."""
    if tree is None:
        return True
    if not isinstance(tree, jax.Array | np.ndarray):
        return all(map(_all_finite, jax.tree.leaves(tree)))
    if isinstance(tree, jax.Array) and (isinstance(tree, Tracer) or not _on_host(tree)):
        return True
    array = np.asarray(tree)
    if array.dtype.kind != "f":
        return True
    # A sum is one pass without a temporary array; one that overflows only makes the caller look twice.
    return math.isfinite(sum(array.ravel().tolist()) if array.size <= FEW else np.add.reduce(array, None))


def _on_host(array: jax.Array) -> bool:
    devices = array.devices()
    if len(devices) > 1 and not array.is_fully_addressable:
        return False
    return next(iter(devices)).platform == "cpu"


def _rows(tree: PyTree) -> np.ndarray:
    """Return the numbers of each row, side by side."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    return np.concatenate([a.reshape(len(a), -1) if a.dtype.kind == "f" else np.zeros((len(a), 0)) for a in leaves], 1)


def _named(bad: np.ndarray) -> str:
    rows = np.flatnonzero(bad)
    return f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:5]))}{f' and {len(rows) - 5} more' if len(rows) > 5 else ''}"


def _bad_leaves(params: Params) -> str:
    named = [
        jax.tree_util.keystr(path, simple=True, separator="/") or "their only array"
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if not np.isfinite(np.asarray(leaf, np.float64)).all()
    ]
    return ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
