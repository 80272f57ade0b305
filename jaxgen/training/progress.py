"""Progress of long work: a rich bar on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Progress(Protocol):
    """What a training loop reports to."""

    def update(self, done: int, metrics: dict[str, float]) -> None:
        """`done` steps are behind us; `metrics` are the current ones."""
        ...


class _Silent:
    def update(self, done: int, metrics: dict[str, float]) -> None:
        pass


class _Lines:
    def __init__(self, name: str, total: int, console: Console):
        self.name, self.total, self.console = name, total, console
        self.start = self.last = time.perf_counter()

    def update(self, done: int, metrics: dict[str, float]) -> None:
        now = time.perf_counter()
        if done == self.total or now - self.last > 10:
            self.last = now
            self.console.print(
                f"{self.name}: step {done}/{self.total}, {done / (now - self.start):.0f} steps/s, {_shown(metrics)}", highlight=False
            )


class _Bar:
    def __init__(self, task: Any, bar: RichProgress):
        self.task, self.bar, self.start = task, bar, time.perf_counter()

    def update(self, done: int, metrics: dict[str, float]) -> None:
        rate = done / (time.perf_counter() - self.start)
        self.bar.update(self.task, completed=done, shown=f"{rate:.0f} steps/s  {_shown(metrics)}")


@contextlib.contextmanager
def progress_bar(name: str, total: int, show: bool | None) -> Iterator[Progress]:
    """A reporter for `total` steps: a bar on a terminal, lines elsewhere; `show=None` reports on a terminal only, False never."""
    console = Console(stderr=True)
    if show is False or (show is None and not console.is_terminal):
        yield _Silent()
    elif not console.is_terminal:
        yield _Lines(name, total, console)
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[shown]}"),
        )
        with RichProgress(*columns, console=console, transient=True) as bar:
            yield _Bar(bar.add_task(name, total=total, shown="compiling"), bar)


def _shown(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name != "gradient_norm")
