"""Progress of long work: a rich bar on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

SECONDS_BETWEEN_LINES = 10


class Progress(Protocol):
    """What a training loop reports to."""

    def update(self, done: int, metrics: dict[str, float]) -> None:
        """Show how far training is.

        Args:
            done: The number of steps done.
            metrics: The metrics of the last step by name.
        """
        ...


class _Silent:
    def update(self, done: int, metrics: dict[str, float]) -> None:
        pass


class _Lines:
    def __init__(self, total: int, console: Console) -> None:
        self.total, self.console = total, console
        self.start = self.last = time.perf_counter()

    def update(self, done: int, metrics: dict[str, float]) -> None:
        now = time.perf_counter()
        if done == self.total or now - self.last > SECONDS_BETWEEN_LINES:
            self.last = now
            rate = done / (now - self.start)
            self.console.print(f"training: step {done}/{self.total}, {rate:.0f} steps/s, {_shown(metrics)}", highlight=False)


class _Bar:
    def __init__(self, task: TaskID, bar: RichProgress) -> None:
        self.task, self.bar, self.start = task, bar, time.perf_counter()

    def update(self, done: int, metrics: dict[str, float]) -> None:
        rate = done / (time.perf_counter() - self.start)
        self.bar.update(self.task, completed=done, shown=f"{rate:.0f} steps/s  {_shown(metrics)}")


@contextlib.contextmanager
def progress_bar(total: int, show: bool | None) -> Iterator[Progress]:
    """Give a reporter of training's progress.

    Args:
        total: The number of steps of the training.
        show: True shows a bar on a terminal and lines elsewhere, None the bar on a terminal only, False nothing.

    Returns:
        A context whose value is the reporter.
    """
    console = Console(stderr=True)
    if show is False or (show is None and not console.is_terminal):
        yield _Silent()
    elif not console.is_terminal:
        yield _Lines(total, console)
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[shown]}"),
        )
        with RichProgress(*columns, console=console, transient=True) as bar:
            yield _Bar(bar.add_task("training", total=total, shown="compiling"), bar)


def _shown(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name != "gradient_norm")
