"""Who is told of a training while it runs: TensorBoard, Weights & Biases, or any function of a step and its metrics."""

import functools
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from jaxgen.data import MissingExtra

Watch: TypeAlias = Callable[[int, Mapping[str, float]], None]
"""`(step, metrics) -> None`: called on the host with the metrics of that step by name, and with "valid_loss" if one was taken then."""


def tensorboard(folder: str | Path) -> Watch:
    """Build a watcher that writes scalars for TensorBoard, by tensorboardX, which needs no TensorFlow.

    Args:
        folder: The folder of the event files, which `tensorboard --logdir FOLDER` shows.

    Returns:
        The watcher for `fit(watch=)`. What it was told is on the disk when it returns.

    Raises:
        MissingExtra: tensorboardX is not installed; `pip install "jaxgen[tensorboard]"` installs it.
    """
    writer = _imported("tensorboard", "tensorboardX").SummaryWriter(str(folder))

    def watch(step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return watch


def wandb(**options: Any) -> Watch:
    """Build a watcher that logs to Weights & Biases.

    Args:
        **options: What `wandb.init` takes, such as `project="moons"`, `mode="offline"` or `config={...}`.

    Returns:
        The watcher for `fit(watch=)`. The run ends with the process, or by `wandb.finish()`.

    Raises:
        MissingExtra: wandb is not installed; `pip install "jaxgen[wandb]"` installs it.
    """
    run = _imported("wandb", "wandb").init(**options)
    return lambda step, metrics: run.log(dict(metrics), step=step)


def later(watch: Watch, steps: int) -> Watch:
    """Return a watcher that is told of steps so much further on, for a fit that follows another.

    >>> seen = []
    >>> later(lambda step, metrics: seen.append((step, metrics)), 100)(5, {"loss": 1.0})
    >>> seen
    [(105, {'loss': 1.0})]
    """
    return functools.partial(_later, watch, steps)


def _later(watch: Watch, steps: int, step: int, metrics: Mapping[str, float]) -> None:
    watch(step + steps, metrics)


def _imported(extra: str, library: str) -> Any:
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise MissingExtra(f'{extra}: {library} is not installed; accepted: {library}, by pip install "jaxgen[{extra}]".') from error
