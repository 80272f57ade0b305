"""`jaxgen train --processes`: two processes train what one trains, an interrupt of one ends both, and one alone goes on."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ("train", "--model", "cfm", "--data", "two_moons", "--width", "8", "--depth", "1", "--batch-size", "64")
ALONE = ("--mesh", "data=1")


def losses(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def started(index, port, *options):
    """A process of the command with one device, because gloo may wait for ever where one of several devices has gone."""
    start = "from jaxgen.cli.main import main; main()"
    argv = [sys.executable, "-c", start, *TRAIN, "--processes", f"127.0.0.1:{port},2,{index}", *map(str, options)]
    env = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}
    return subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.slow
def test_an_interrupt_of_one_process_ends_both_and_one_alone_goes_on(command, port, tmp_path):
    out = tmp_path / "two"
    both = [started(index, port, "--steps", 100_000, "--out", out) for index in range(2)]
    try:
        while not both[0].stderr.readline().startswith("training: step"):
            assert both[0].poll() is None, both[0].communicate()
        both[1].send_signal(signal.SIGTERM)
        said = [process.communicate(timeout=60) for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [130, 130], said
    assert "interrupted after" in said[0][0] and said[1][0] == ""
    done = len(losses(out))
    assert command(*TRAIN, *ALONE, "--steps", done, "--out", tmp_path / "one").status == 0
    # The schedule of the learning rate knows how many steps are to come, so that only the beginnings are alike.
    np.testing.assert_allclose(losses(out)[:1], losses(tmp_path / "one")[:1], rtol=1e-5)
    assert command(*TRAIN, *ALONE, "--steps", done + 2, "--out", out, "--resume").status == 0
    assert len(losses(out)) == done + 2 and np.isfinite(losses(out)).all()


@pytest.mark.slow
def test_what_the_first_process_refuses_ends_the_others(port, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    began, both = time.monotonic(), [started(index, port, "--steps", 10, "--out", tmp_path / "full") for index in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [2, 2] and time.monotonic() - began < 60
    assert "the folder is not empty" in said[0][1] and "the first process has ended with an error" in said[1][1]
    assert (*(line for _, err in said for line in err.splitlines() if "Traceback" in line),) == ()


@pytest.mark.parametrize("value", ["two", "host:1,2", "host:1,2,2", "host,2,0", ""])
def test_other_values_are_refused(command, value):
    ended = command(*TRAIN, "--processes", value)
    assert (ended.status, ended.err.count("\n")) == (2, 1) and f"--processes {value}: accepted: auto" in ended.err


def test_auto_says_where_no_others_are_found(command):
    ended = command(*TRAIN, "--processes", "auto")
    assert (ended.status, ended.err.count("\n")) == (2, 1) and "--processes auto: JAX says" in ended.err


def test_what_auto_makes_of_a_table_is_fitted_by_one_process(command):
    ended = command("train", "--data", "two_moons", "--processes", "auto")
    assert (ended.status, ended.err.count("\n")) == (2, 1) and "with a model by its name" in ended.err
