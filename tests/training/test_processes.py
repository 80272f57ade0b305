"""Two processes and more train what one trains, and when one of them is killed, the others say so and the run goes on elsewhere."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxgen import data, init, sample
from jaxgen.cores import LEAST
from jaxgen.training import fit
from jaxgen.training.run_folder import SAVES, read_run

SCRIPT = Path(__file__).with_name("one_process.py")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("one_process", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def whole(script):
    """The fit of one process on one device."""
    x = script.rows()
    return fit(0, script.entry_of(0), x, script.NUM_STEPS, devices=jax.devices()[:1], valid=x, **script.HOW)


def start(count, folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, str(SCRIPT), address, str(count)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return [subprocess.Popen([*command, str(index), str(folder)], env=dict(os.environ), **pipes) for index in range(count)]


def kill_last_once_saved(processes, folder, least=2):
    """Wait for two saves, so that the older one is whole whatever happens to the newer, and kill."""
    until = time.monotonic() + 120
    while len(list((folder / SAVES).glob("*.safetensors"))) < least or read_run(folder).save.facts["history"]["num_steps"] < 8:
        assert time.monotonic() < until and all(process.poll() is None for process in processes), processes[0].communicate()[0]
        time.sleep(0.1)
    processes[-1].kill()


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_processes_train_what_one_trains_until_one_is_killed(count, script, whole, tmp_path):
    processes = start(count, tmp_path)
    try:
        kill_last_once_saved(processes, tmp_path)
        said = [process.communicate(timeout=60)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    lines = [json.loads(line) for line in said[0].splitlines() if line.startswith("{")]
    entry, x = script.entry_of(0), script.rows()
    np.testing.assert_allclose(lines[0]["samples"], sample(1, entry.model, init(2, entry.model), 16), atol=1e-5)
    np.testing.assert_allclose(lines[0]["alone"], sample(1, entry.model, init(2, entry.model), 2 * LEAST)[:3], atol=1e-5)
    for streamed, batch in zip(lines[0]["streamed"], data.stream(script.images(), 8, num_epochs=1, num_threads=0), strict=True):
        np.testing.assert_array_equal(np.asarray(streamed, np.float32), batch.x)
    assert lines[1]["error"].startswith("ProcessLostError: fit: another process of this training has ended after step"), said[0]
    saved = read_run(tmp_path)
    done = saved.save.facts["history"]["num_steps"]
    assert saved.has_state and 8 <= done < script.NUM_STEPS
    np.testing.assert_allclose(saved.save.arrays["history/loss"], whole.history["loss"][:done], atol=1e-5)
    np.testing.assert_allclose(saved.save.arrays["history/valid_loss"], whole.history["valid_loss"][: done // 8], atol=1e-5)
    resumed = fit(0, entry, x, script.NUM_STEPS, start=tmp_path, devices=jax.devices()[:1], valid=x, **script.HOW)
    np.testing.assert_allclose(resumed.history["loss"], whole.history["loss"], atol=1e-5)
    for left, right in zip(jax.tree.leaves(resumed.params), jax.tree.leaves(whole.params), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)
