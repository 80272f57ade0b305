"""Interrupts of the command, which are answered at once from its first moment on.

Python runs the handler of a signal between two lines of the main thread, which may be compiling for a minute or be in a callback that
swallows exceptions. A thread of its own therefore answers Ctrl-C and SIGTERM, except while a training loop holds them back to save.
"""

import os
import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Kept:
    """Hold what an interrupt says about the work so far; a command keeps it true."""

    text = "nothing was written."


def answer_interrupts() -> None:
    """Let a thread end the process at a signal, with one line, as long as nothing else has taken charge of that signal."""
    end, begin = os.pipe()
    os.set_blocking(begin, False)
    for number in SIGNALS:
        signal.signal(number, nothing)
    signal.set_wakeup_fd(begin, warn_on_full_buffer=False)
    threading.Thread(target=_answer, args=(end,), daemon=True).start()


def nothing(number: int, frame: FrameType | None) -> None:
    """Do nothing in the main thread."""


def _answer(end: int) -> None:
    while True:
        for number in os.read(end, 64):
            if number in SIGNALS and signal.getsignal(number) is nothing:
                os.write(2, f"jaxgen: interrupted; {Kept.text}\n".encode())
                os._exit(128 + number)
