"""Interrupts that wait for the step in flight, so that what is done is kept."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interrupt:
    """Say by `requested` whether an interrupt has come; a second one raises KeyboardInterrupt at once."""

    requested = False


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Hold back the first SIGINT and give an `Interrupt` that a loop asks between its steps; other threads than the main one get none.

    The arrays that are donated to a running step cannot be read, so an exception raised within a step would lose them.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    previous = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.requested = True

    signal.signal(signal.SIGINT, handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, previous)
