"""The history of a fit: the metrics of every step and the validation losses, and their form as arrays by name."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxgen.types import PyTree

PATIENCE = 10
"""Validation losses in a row without a better one after which commands and the estimator stop. On the default grid the steps have then
grown 2.6 times, or by fifty."""


COUNTS = ("num_steps", "planned_steps")
"""The numbers of steps in a history: those that are done, and those of the whole training."""


class Validation(NamedTuple):
    """Hold a validation loss.

    Attributes:
        step: The number of steps after which it was taken.
        loss: The loss.
    """

    step: int
    loss: float


class History(NamedTuple):
    """Hold what a fit has measured so far.

    Attributes:
        chunks: The metrics of each chunk of steps by name, arrays `(steps,)`.
        validations: The validation losses in the order in which they were taken.
    """

    chunks: tuple[Mapping[str, np.ndarray], ...] = ()
    validations: tuple[Validation, ...] = ()

    def with_chunk(self, metrics: Mapping[str, np.ndarray]) -> "History":
        """Return the history with the metrics of one more chunk."""
        return self._replace(chunks=(*self.chunks, metrics))

    def with_validation(self, step: int, loss: float) -> "History":
        """Return the history with one more validation loss.

        Args:
            step: The step after which it was measured.
            loss: The validation loss.

        Returns:
            The longer history.
        """
        return self._replace(validations=(*self.validations, Validation(step, loss)))

    def metrics(self) -> dict[str, np.ndarray]:
        """Return the metrics of all steps by name, arrays `(steps,)`."""
        names = self.chunks[0] if self.chunks else ()
        return {name: np.concatenate([chunk[name] for chunk in self.chunks]) for name in names}

    def last(self) -> dict[str, float]:
        """Return the metrics of the last step by name; the dict is empty before the first step."""
        filled = (chunk for chunk in reversed(self.chunks) if all(len(values) for values in chunk.values()))
        return {name: float(values[-1]) for name, values in next(filled, {}).items()}

    def latest(self) -> dict[str, float]:
        """Return the metrics of the last step by name, with "valid_loss" if one was taken after that step."""
        step = sum(len(next(iter(chunk.values()))) for chunk in self.chunks)
        judged = bool(self.validations) and self.validations[-1].step == step
        return self.last() | ({"valid_loss": self.validations[-1].loss} if judged else {})

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the metrics by name together with "valid_step" and "valid_loss", as `Fitted.history` holds them."""
        return {
            **self.metrics(),
            "valid_step": np.array([validation.step for validation in self.validations], np.int32),
            "valid_loss": np.array([validation.loss for validation in self.validations], np.float32),
        }


def history_of(arrays: Mapping[str, PyTree]) -> History:
    """Return the history whose `arrays()` are given; entries that are no arrays, such as times, are left out."""
    metrics = {name: values for name, values in arrays.items() if isinstance(values, np.ndarray) and not name.startswith("valid_")}
    taken = zip(arrays["valid_step"], arrays["valid_loss"], strict=True)
    return History((metrics,) if metrics else (), tuple(Validation(int(step), float(loss)) for step, loss in taken))


def joined(before: Mapping[str, PyTree], after: Mapping[str, PyTree]) -> dict[str, PyTree]:
    """Return the history of two fits, the second begun where the first ended.

    Args:
        before: The history of the first, as `Fitted.history` holds it; empty for none.
        after: The history of the second.

    Returns:
        One history, whose steps and seconds count both.
    """
    if not before:
        return dict(after)
    done = before["num_steps"]
    whole = {**after, "valid_step": after["valid_step"] + done}
    for name, value in whole.items():
        earlier = before.get(name)
        if isinstance(value, np.ndarray) and earlier is not None:
            whole[name] = np.concatenate([earlier, value])
    seconds = {name: before.get(name, 0.0) + after.get(name, 0.0) for name in ("compile_seconds", "train_seconds")}
    steps = {name: done + after[name] for name in COUNTS if name in after}
    return {**whole, **seconds, **steps}


def parted(history: Mapping[str, PyTree], done: int) -> tuple[dict[str, PyTree], dict[str, PyTree]]:
    """Return the histories of two fits from their joined one: `joined(*parted(history, done))` is `history`.

    Args:
        history: The joined history.
        done: The number of steps of the first fit. All seconds are counted to the second.
    """
    if done == 0:
        return {}, dict(history)
    arrays = {name: a for name, a in history.items() if isinstance(a, np.ndarray) and not name.startswith("valid_")}
    first = {name: a[:done] for name, a in arrays.items()} | {"num_steps": done}
    second = {name: a[done:] for name, a in arrays.items()} | {name: history[name] - done for name in COUNTS if name in history}
    taken = int(np.searchsorted(history["valid_step"], done, side="right"))
    for name, shift in (("valid_step", done), ("valid_loss", 0)):
        first[name], second[name] = history[name][:taken], history[name][taken:] - history[name].dtype.type(shift)
    return first, second | {name: history[name] for name in ("compile_seconds", "train_seconds") if name in history}


class EarlyStopping(NamedTuple):
    """Decide by the validation losses which params are the best and when training stops.

    Attributes:
        patience: Stop after this many validation losses in a row that are no better than the best one; None never stops, and the best
            params are remembered all the same.
        judge_from: Ignore the validation losses of earlier steps.
    """

    patience: int | None
    judge_from: int

    def is_best(self, history: History) -> bool:
        """Return whether the last validation loss is better than all before it."""
        losses = self._losses(history)
        return len(losses) > 0 and losses[-1] < min(losses[:-1], default=math.inf)

    def has_best(self, history: History) -> bool:
        """Return whether some validation loss so far was the best one."""
        return min(self._losses(history), default=math.inf) < math.inf

    def stops(self, history: History) -> bool:
        """Return whether training stops after the last validation loss."""
        losses = self._losses(history)
        return self.patience is not None and len(losses) > 0 and len(losses) - 1 - int(np.argmin(losses)) >= self.patience

    def best_step(self, history: History) -> int:
        """Return the step of the best validation loss so far, or 0 before any counts."""
        losses = self._losses(history)
        return history.validations[len(history.validations) - len(losses) + int(np.argmin(losses))].step if losses else 0

    def _losses(self, history: History) -> list[float]:
        # A loss that is not a number is no better than any other.
        counted = [validation.loss for validation in history.validations if validation.step >= self.judge_from]
        return [loss if math.isfinite(loss) else math.inf for loss in counted]
