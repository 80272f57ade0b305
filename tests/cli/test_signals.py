"""Interrupts of the command: at once and in one line, wherever the main thread is; a loop that holds them back is left alone."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUCK = """
import hashlib
from jaxgen.cli.signals import answer_interrupts
answer_interrupts()
print(flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
HELD = """
import signal, time
from jaxgen.cli.signals import answer_interrupts
answer_interrupts()
signal.signal(signal.SIGTERM, lambda *a: print("saved", flush=True))
print(flush=True)
time.sleep(0.5)
"""


def started(code):
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_in_a_long_computation_is_answered_at_once(number):
    """The main thread is inside a function of C for minutes, as in a compiler, where Python runs no handler."""
    process = started(STUCK)
    process.send_signal(number)
    out, err = process.communicate(timeout=5)
    assert (process.returncode, out, err) == (128 + number, "", "jaxgen: interrupted; nothing was written.\n")


def test_who_holds_interrupts_back_is_left_alone():
    process = started(HELD)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=5) == ("saved\n", "") and process.returncode == 0
