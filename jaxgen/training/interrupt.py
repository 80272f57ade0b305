"""Interrupts that wait for the step in flight, so that what is done is kept."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what a scheduler or a shutdown sends some seconds before it kills."""


class Interrupt:
    """Say by `requested` whether an interrupt has come; a second one raises KeyboardInterrupt at once."""

    requested = False


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Hold back the first SIGINT or SIGTERM and give an `Interrupt` that a loop asks between its steps; other threads than the main one get none.

    The arrays that are donated to a running step cannot be read, so an exception raised within a step would lose them.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    previous = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.requested = True

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield interrupt
    finally:
        for number, handler in previous.items():
            # None is a handler that was not set by Python and cannot be put back by it.
            if handler is not None:
                signal.signal(number, handler)
