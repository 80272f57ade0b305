"""Saving a fit on the way: how often, and a thread that writes while training goes on."""

import contextlib
import functools
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from jaxgen import checks
from jaxgen.atomic import require_writable
from jaxgen.training.entry import Entry
from jaxgen.training.fitted import Fitted
from jaxgen.training.run_folder import SAVES, write_run


class Saving(NamedTuple):
    """Say what saves a fit on the way, and how often.

    Attributes:
        write: `(fitted) -> None`, called on a thread with a `Fitted` of copies on the host, whose `status` is "running" and from whose
            `state` the fit can go on. At the end of the fit it is called once more with the result.
        seconds: Save when this many seconds have passed since the last save.
        steps: Save when this many steps have passed since the last save, too; None goes by the clock alone.
    """

    write: Callable[[Fitted], None]
    seconds: float = 60.0
    steps: int | None = None


class Saver:
    """Save a fit when it is due, one save at a time.

    Args:
        saving: What saves, and how often.
        done: The number of steps done at the start.
    """

    def __init__(self, saving: Saving, done: int) -> None:
        self.saving, self.last_step, self.last_time = saving, done, time.monotonic()
        self.pool = ThreadPoolExecutor(1, "jaxgen-save")
        self.writing: Future[None] | None = None

    def due(self, done: int) -> bool:
        """Return whether a fit that has done so many steps is to be saved now; never while an earlier save is still being written."""
        if self.writing is not None and not self.writing.done():
            return False
        every = self.saving.steps
        return time.monotonic() - self.last_time >= self.saving.seconds or (every is not None and done - self.last_step >= every)

    def begin(self, fitted: Fitted, done: int) -> None:
        """Write a fit, whose arrays are copies on the host, on a thread. What cannot be written is said, and tried again at the next save."""
        self._say()
        self.last_step, self.last_time = done, time.monotonic()
        self.writing = self.pool.submit(self.saving.write, fitted)

    def end(self, fitted: Fitted) -> None:
        """Write the result and wait for it."""
        self.close()
        self.saving.write(fitted)

    def close(self) -> None:
        """Wait for the save that is being written."""
        self.pool.shutdown()
        self._say()

    def _say(self) -> None:
        error = None if self.writing is None else self.writing.exception()
        self.writing = None
        if isinstance(error, OSError):
            warnings.warn(f"fit: a save failed ({error}); training goes on, and the earlier saves are whole.", stacklevel=3)
        elif error is not None:
            raise error


def saving_of(saving: Saving | str | Path | None, entry: Entry, start: object = None) -> Saving | None:
    """Return how a fit is saved, after a check that it can be.

    Args:
        saving: What saves; a path saves into that folder of a run every 60 seconds; None saves nothing.
        entry: The entry that is trained.
        start: What the fit starts from. A folder that holds a run is accepted if the fit goes on from it, or from a `Fitted`.

    Raises:
        ValueError: The seconds or steps are no positive numbers, nothing can be saved there, or another run is.
    """
    if saving is None:
        return None
    if not isinstance(saving, Saving):
        saving = Saving(functools.partial(write_run, _folder(saving, start), entry))
    if not callable(saving.write):
        raise ValueError(f"Saving: write=<{type(saving.write).__name__}>; accepted: a function of a Fitted.")
    checks.number("Saving: seconds", saving.seconds, least=0)
    if saving.steps is not None:
        checks.count("Saving: steps", saving.steps)
    return saving


@contextlib.contextmanager
def saver_of(saving: Saving | None, done: int) -> Iterator[Saver | None]:
    """Give a `Saver`, or None if nothing is to be saved; after an error, wait for the save that is being written.

    Args:
        saving: What saves, or None.
        done: The number of steps done at the start.
    """
    if saving is None:
        yield None
        return
    saver = Saver(saving, done)
    try:
        yield saver
    finally:
        saver.pool.shutdown()


def _folder(saving: object, start: object) -> Path:
    """Return the folder to save into. One that cannot be written is refused before the training, which would else be lost at its end.

    So is one that holds another run, whose saves would be lost.
    """
    if not isinstance(saving, str | Path):
        raise ValueError(f"fit: saving=<{type(saving).__name__}>; accepted: a folder, or a jaxgen.training.Saving.")
    try:
        require_writable(saving)
    except OSError as error:
        raise ValueError(f"fit: saving={str(saving)!r} ({error.strerror}); accepted: a folder that can be made and written.") from None
    goes_on = isinstance(start, Fitted) or (isinstance(start, str | Path) and Path(start).resolve() == Path(saving).resolve())
    if not goes_on and any(Path(saving, SAVES).glob("*.safetensors")):
        given = repr(str(saving))
        raise ValueError(
            f"fit: saving={given}, where another run is saved; accepted: another folder, or start={given} to go on with that run."
        )
    return Path(saving)
