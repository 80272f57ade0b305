"""Progress of long work: a rich bar on a terminal, plain lines elsewhere, both with the pace and the time left."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress

SECONDS_BETWEEN_LINES = 10
SECONDS_OF_A_PACE = 0.5
"""A pace is said after so many seconds of steps: the first few of a fast training are mostly calls."""


class Progress(Protocol):
    """What a training loop reports to."""

    def update(self, done: int, metrics: dict[str, float]) -> None:
        """Show how far training is.

        Args:
            done: The number of steps done.
            metrics: The metrics of the last step by name.
        """
        ...


class Pace:
    """Measure seconds a step, from the end of the first update on, whose steps may have waited for memory and caches.

    Args:
        total: The number of steps of the training.
        clock: A function that returns seconds; None is the clock of the process.

    >>> times = iter([10.0, 16.0])
    >>> pace = Pace(100, lambda: next(times))
    >>> pace.seen(1), pace.seen(4), str(pace)
    (None, 2.0, '2 s/step, 3 min left')
    """

    def __init__(self, total: int, clock: Callable[[], float] | None = None) -> None:
        self.total, self.clock = total, clock or time.perf_counter
        self.first: tuple[int, float] | None = None
        self.done, self.elapsed = 0, 0.0

    def seen(self, done: int) -> float | None:
        """Note that `done` steps are done, and return the seconds a step; None at the first update."""
        now = self.clock()
        if self.first is None:
            self.first = (done, now)
        self.done, self.elapsed = done, now - self.first[1]
        return self.seconds()

    def seconds(self) -> float | None:
        """Return the mean seconds a step, None while nothing is known."""
        steps = 0 if self.first is None else self.done - self.first[0]
        return self.elapsed / steps if steps else None

    def __str__(self) -> str:
        seconds = self.seconds()
        if seconds is None:
            return "no pace yet"
        left = self.total - self.done
        return per_step(seconds) + (f", {duration(seconds * left)} left" if left else "")


def per_step(seconds: float) -> str:
    """Return a pace in words: steps a second, or seconds a step where that is more than one.

    >>> per_step(0.004), per_step(0.4), per_step(3.25)
    ('250 steps/s', '2.5 steps/s', '3.2 s/step')
    """
    rate = 1 / max(seconds, 1e-9)
    return f"{seconds:.2g} s/step" if seconds > 1 else f"{rate:.0f} steps/s" if rate >= 10 else f"{rate:.2g} steps/s"


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(12.3), duration(200), duration(8 * 3600)
    ('12 s', '3 min', '8 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.2g} h"


class _Silent:
    def update(self, done: int, metrics: dict[str, float]) -> None:
        pass


class _Shown:
    """What a bar and lines share: the pace, and one sentence about the training as soon as its pace is known."""

    def __init__(self, total: int, what: str | None, console: Console) -> None:
        self.total, self.what, self.console, self.pace = total, what, console, Pace(total)

    def step(self, done: int) -> None:
        seconds = self.pace.seen(done)
        if self.what is not None and (self.pace.elapsed > SECONDS_OF_A_PACE or done == self.total):
            known = (
                "" if seconds is None else f"; {seconds:.2g} s a step, so {self.total:,} steps take about {duration(seconds * self.total)}"
            )
            self.console.print(f"training {self.what}{known}", highlight=False)
            self.what = None


class _Lines(_Shown):
    def __init__(self, total: int, what: str | None, console: Console) -> None:
        super().__init__(total, what, console)
        self.last = time.perf_counter()

    def update(self, done: int, metrics: dict[str, float]) -> None:
        self.step(done)
        now = time.perf_counter()
        if done == self.total or now - self.last > SECONDS_BETWEEN_LINES:
            self.last = now
            self.console.print(f"training: step {done}/{self.total}, {self.pace}, {_shown(metrics)}", highlight=False)


class _Bar(_Shown):
    def __init__(self, total: int, what: str | None, console: Console, task: TaskID, bar: RichProgress) -> None:
        super().__init__(total, what, console)
        self.task, self.bar = task, bar

    def update(self, done: int, metrics: dict[str, float]) -> None:
        self.step(done)
        self.bar.update(self.task, completed=done, shown=f"{self.pace}  {_shown(metrics)}")


@contextlib.contextmanager
def progress_bar(total: int, show: bool | None, what: str | None = None) -> Iterator[Progress]:
    """Give a reporter of training's progress.

    Args:
        total: The number of steps of the training.
        show: True shows a bar on a terminal and lines elsewhere, None the bar on a terminal only, False nothing.
        what: What is trained, and its size: as soon as the pace is known, one line says it with the time that the training will take.
            None prints no such line.

    Returns:
        A context whose value is the reporter.
    """
    console = Console(stderr=True, soft_wrap=True)
    if show is False or (show is None and not console.is_terminal):
        yield _Silent()
    elif not console.is_terminal:
        yield _Lines(total, what, console)
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[shown]}"),
        )
        with RichProgress(*columns, console=console, transient=True) as bar:
            yield _Bar(total, what, bar.console, bar.add_task("training", total=total, shown="compiling"), bar)


def _shown(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name != "gradient_norm")
