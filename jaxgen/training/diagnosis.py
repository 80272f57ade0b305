"""What a fit says when its numbers go bad: the step is run once more, and searched for where they come from."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.objective import Batch, Clock, Share
from jaxgen.training.checkpoint import tree_named
from jaxgen.training.entry import Entry
from jaxgen.training.step import State
from jaxgen.training.tape import Operation, origin
from jaxgen.types import Key, PyTree

FAR = 1e4
"""A row is far from the others if a number in it is so many times larger than is usual."""
_MOST = 2**26
"""Gradients of single events are taken if all of them together have no more numbers."""


class Diagnosis(NamedTuple):
    """Say where numbers that are not finite come from.

    Attributes:
        params: The paths of params and auxiliaries that were not finite before the step.
        gradients: The paths of the gradients that are not finite.
        rows: The numbers of the rows of the data whose loss or gradient is not finite; None if that holds for the whole batch, or if an event
            has no loss of its own.
        operation: The operation that made them, or None if it was not found.
        cause: The likely cause, in one sentence.
    """

    params: tuple[str, ...]
    gradients: tuple[str, ...]
    rows: tuple[int, ...] | None
    operation: Operation | None
    cause: str

    def __str__(self) -> str:
        found = [self.cause]
        if self.operation is not None and self.operation.name != "input":
            found.append(f"The first such number comes from {self.operation.name} at {self.operation.place}.")
        if self.params:
            found.append(f"Not finite before the step: {_few(self.params)}.")
        elif self.gradients:
            found.append(f"Gradients that are not finite: {_few(self.gradients)}.")
        if self.rows:
            found.append(f"Rows of the data: {_few(list(map(str, self.rows)))}.")
        return " ".join(found)


class Failed(NamedTuple):
    """Hold the step that failed.

    Attributes:
        state: The state before it.
        batch: Its batch, with the noise that was prepared for it.
        rows: Which rows of the data are in the batch.
        key: Its key.
        num_steps: The number of steps of the training.
        losses: The losses of the steps before it.
    """

    state: State
    batch: Batch
    rows: np.ndarray
    key: Key
    num_steps: int
    losses: np.ndarray


def diagnose(entry: Entry, failed: Failed) -> Diagnosis:
    """Run a step again whose loss or gradient was not finite, and say why.

    Args:
        entry: The entry that is trained.
        failed: The step.

    Returns:
        What was found.
    """
    state, batch = failed.state, failed.batch
    clock = Clock(state.step, jnp.asarray(failed.num_steps, jnp.int32), state.ema)
    trained = {"params": state.params, "aux": state.aux}

    def loss(trained: Mapping[str, PyTree], batch: Batch) -> jax.Array:
        return entry.objective.loss(trained["params"], trained["aux"], failed.key, batch, clock)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(trained, batch)
    bad = tuple(name for name, a in tree_named(trained).items() if not _finite(a))
    gradients = tuple(name for name, a in tree_named(gradient).items() if not _finite(a))
    places = _bad_rows(entry, loss, trained, batch)
    given = {"x": batch.x, "cond": batch.cond, "z": batch.z}
    searched = loss if not _finite(value) else jax.grad(loss)
    operation = origin(lambda trained, given: searched(trained, Batch(**given)), trained, given)
    alike = places is None or len(places) == len(failed.rows)
    rows = None if places is None or alike else tuple(dict.fromkeys(int(failed.rows[i]) for i in places))
    return Diagnosis(bad, gradients, rows, operation, _cause(failed, bad, places, operation))


def _bad_rows(entry: Entry, loss: Callable[[Mapping[str, PyTree], Batch], jax.Array], trained: PyTree, batch: Batch) -> list[int] | None:
    """Return the places in the batch of the events whose own loss or gradient is not finite, with the draws that they had in the batch."""
    num = batch.x.shape[0]
    if not entry.objective.additive:
        return None
    share = Share("events", num)
    size = sum(a.size for a in jax.tree.leaves(trained))

    def of_row(row: Batch) -> jax.Array:
        alone = jax.tree.map(lambda a: a[None], row)._replace(share=share)
        if size * num > _MOST:
            return jnp.isfinite(loss(trained, alone))
        value, gradient = jax.value_and_grad(loss)(trained, alone)
        return jnp.isfinite(value) & jnp.all(jnp.stack([jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(gradient)]))

    finite = jax.jit(jax.vmap(of_row, axis_name="events"))(batch)
    return [int(i) for i in np.flatnonzero(~np.asarray(finite))]


def _cause(failed: Failed, bad: Sequence[str], places: list[int] | None, operation: Operation | None) -> str:
    """Return the likely cause in one sentence."""
    x, losses = np.asarray(failed.batch.x, np.float64), failed.losses
    if bad:
        constant = np.flatnonzero(np.ptp(x, 0) == 0) if x.ndim == 2 else []
        if len(constant) and not len(losses):
            return (
                f"Column {constant[0]} of the batch is constant, and params that were set from the data divide by its standard deviation."
            )
        return f"{bad[0]} was not finite before the step: it was initialised so, or the step before it was too long for its optimiser."
    far = _far_rows(x)
    if far and (places is None or set(places) <= set(far) or len(places) == len(x)):
        i = max(far, key=lambda i: np.max(np.abs(x[i])))
        return (
            f"Row {int(failed.rows[i])} of the data lies far from the others: a number in it is {x[i].flat[np.argmax(np.abs(x[i]))]:.3g}."
        )
    if failed.batch.cond is not None and (far := _far_rows(np.asarray(failed.batch.cond, np.float64))):
        return f"The condition of row {int(failed.rows[far[0]])} lies far from the others."
    if rising := _rising(losses):
        return f"The loss rose from {rising[0]:.3g} to {rising[1]:.3g} in the steps before: the learning rate is too high."
    if operation is None:
        return "A smaller learning rate or standardised data usually mends it."
    return f"{_of(operation)[0].upper()}{_of(operation)[1:]}."


def _of(operation: Operation) -> str:
    """Say what an operation was given that it cannot take."""
    name, ranges = operation.name, operation.ranges
    low, high = ranges[0] if ranges else (float("nan"), float("nan"))
    largest = max((max(abs(a), abs(b)) for a, b in ranges), default=float("nan"))
    if name == "input":
        return f"{operation.place} is not finite"
    if name in ("log", "log1p"):
        return f"a logarithm is taken of {low:.3g}, and it needs a number above {0 if name == 'log' else -1}"
    if name in ("sqrt", "rsqrt") and low <= 0:
        return f"a root is taken of {low:.3g}"
    if name in ("exp", "exp2", "expm1", "sinh", "cosh"):
        return f"an exponential of {high:.3g} is too large for {operation.dtype}"
    if name == "div" and ranges[1][0] <= 0 <= ranges[1][1]:
        return "a number is divided by zero"
    if name in ("acos", "asin", "atanh", "erf_inv", "acosh"):
        return f"{name} is asked at {low:.3g} to {high:.3g}, outside its domain"
    if name in ("cholesky", "triangular_solve", "lu", "eigh"):
        return "a matrix is singular or not positive definite"
    if largest < 1e15:
        return f"{name} gives a number that is not finite"
    return f"numbers of up to {largest:.3g} overflow in {name}"


def _far_rows(x: np.ndarray) -> list[int]:
    flat = np.abs(x.reshape(len(x), -1))
    if not flat.size:
        return []
    usual = np.median(flat, 0) + 1e-30
    return [int(i) for i in np.flatnonzero((flat > FAR * np.maximum(usual, np.median(usual))).any(1))]


def _rising(losses: np.ndarray) -> tuple[float, float] | None:
    """Return the losses before and after a rise within the last steps, if there was one."""
    last = losses[-20:]
    if len(last) < 2:
        return None
    low = float(np.min(last))
    spread = float(np.median(np.abs(losses - np.median(losses)))) + 1e-6 * abs(low)
    return (low, float(last[-1])) if last[-1] - low > 10 * spread + abs(low) else None


def _finite(array: jax.Array) -> bool:
    return bool(np.all(np.isfinite(np.asarray(array, np.float64))))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
