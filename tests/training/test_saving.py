"""A fit that was saved on the way and killed is the fit that was not, byte for byte and on other devices too."""

import errno
import os
import signal

import jax
import numpy as np
import pytest

from jaxgen import fit
from jaxgen.training import Saving
from jaxgen.training.run_folder import read_run, write_run

ONE = {"progress": False, "batch_size": 8, "steps_per_chunk": 4}


def same(a, b):
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert np.asarray(left).tobytes() == np.asarray(right).tobytes()


@pytest.fixture
def on_the_way(gaussian_entry, data, key):
    """A fit of 20 steps and all that it saves: after every step that a chunk ends with."""
    saved = []
    arguments = {"valid": -data, "patience": 99, "eval_every": 6, **ONE}
    whole = fit(key, gaussian_entry(), data, 20, saving=Saving(saved.append, 0.0), **arguments)
    return whole, saved, arguments


def test_any_save_goes_on_to_the_same_end(on_the_way, gaussian_entry, data, key):
    whole, saved, arguments = on_the_way
    assert saved[-1] is whole and whole.state is None and whole.key is None and len(saved) > 3
    for fitted in (saved[0], saved[-2]):
        assert fitted.status == "running" and fitted.history["num_steps"] == int(fitted.state.step) == len(fitted.history["loss"]) < 20
        again = fit(key, gaussian_entry(), data, 20, start=fitted, **arguments)
        same((again.params, again.aux), (whole.params, whole.aux))
        for name in ("loss", "gradient_norm", "valid_loss", "valid_step"):
            np.testing.assert_array_equal(again.history[name], whole.history[name])
    two = fit(key, gaussian_entry(), data, 20, start=saved[1], devices=jax.devices()[:1], **arguments)
    np.testing.assert_allclose(two.history["loss"], whole.history["loss"], rtol=1e-5)
    with pytest.raises(ValueError, match="fit: key=another than that of start"):
        fit(jax.random.fold_in(key, 1), gaussian_entry(), data, 20, start=saved[0], **arguments)


def test_a_folder_is_gone_on_from(gaussian_entry, data, key, tmp_path):
    class Killed(BaseException):
        pass

    def prepare(key, batch):
        # The step after the first save is whole, on the disk and no longer in the loop.
        if len(list(tmp_path.glob("run/checkpoints/*.safetensors"))):
            raise Killed
        return batch

    whole = fit(key, gaussian_entry(prepare=lambda key, batch: batch), data, 400, **ONE)
    entry = gaussian_entry(prepare=prepare)
    saving = Saving(lambda fitted: write_run(tmp_path / "run", entry, fitted), 0.0)
    with pytest.raises(Killed):
        fit(key, entry, data, 400, saving=saving, **ONE)
    assert read_run(tmp_path / "run").save.facts["status"] == "running"
    entry = gaussian_entry(prepare=lambda key, batch: batch)
    again = fit(key, entry, data, 400, start=tmp_path / "run", saving=tmp_path / "run", **ONE)
    same(again.params, whole.params)
    np.testing.assert_array_equal(again.history["loss"], whole.history["loss"])
    run = read_run(tmp_path / "run")
    assert run.save.facts["status"] == "finished" and not run.has_state
    same(run.save.arrays["params/loc"], whole.params["loc"])


def test_a_full_disk_is_said_and_training_goes_on(gaussian_entry, data, key):
    written = []

    def write(fitted):
        written.append(fitted.status)
        if len(written) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.warns(UserWarning, match=r"fit: a save failed \(.*No space.*\); training goes on"):
        fit(key, gaussian_entry(), data, 20, saving=Saving(write, 0.0), **ONE)
    assert written[-1] == "finished" and written[1] == "running"

    def full(fitted):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fit(key, gaussian_entry(), data, 4, saving=Saving(full), **ONE)


def test_saves_come_by_steps_too(gaussian_entry, data, key):
    steps = []
    fit(key, gaussian_entry(), data, 24, saving=Saving(lambda fitted: steps.append(int(fitted.history["num_steps"])), 1e9, 8), **ONE)
    assert steps == [8, 16, 24]
    with pytest.raises(ValueError, match=r"Saving: seconds=-1"):
        fit(key, gaussian_entry(), data, 4, saving=Saving(print, -1), **ONE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_done_when_a_signal_comes_is_saved(number, gaussian_entry, data, key):
    saved, before = [], signal.getsignal(number)

    def write(fitted):
        saved.append(fitted)
        if len(saved) == 1:
            os.kill(os.getpid(), number)

    fitted = fit(key, gaussian_entry(), data, 4_000, saving=Saving(write, 0.0), **ONE)
    assert fitted.status == saved[-1].status == "interrupted" and saved[-1].state is not None
    assert 0 < fitted.history["num_steps"] < 4_000 and signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("saving", "said"),
    [
        (3, "fit: saving=<int>; accepted: a folder"),
        (Saving(None), "Saving: write=<NoneType>; accepted: a function"),  # pyright: ignore[reportArgumentType]
        ("file", "accepted: a folder that can be made and written"),
        ("file/below", "accepted: a folder that can be made and written"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_the_training(gaussian_entry, data, key, tmp_path, monkeypatch, saving, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    begun = []
    entry = gaussian_entry(prepare=lambda key, batch: begun.append(0) or batch)
    with pytest.raises(ValueError, match=said):
        fit(key, entry, data, 4, saving=saving, **ONE)
    assert not begun and (tmp_path / "file").read_text() == "mine"


def test_the_folder_of_another_run_is_refused(gaussian_entry, data, key, tmp_path):
    """Its saves would be lost. The run itself goes on there."""
    entry = gaussian_entry()
    first = fit(key, entry, data, 4, saving=tmp_path, **ONE)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.safetensors")}
    for start in (None, (first.params, first.aux)):
        with pytest.raises(ValueError, match="where another run is saved; accepted: another folder, or start="):
            fit(key, entry, data, 4, saving=tmp_path, start=start, **ONE)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.safetensors")}
    with pytest.raises(ValueError, match="start=a fit without a state"):
        fit(key, entry, data, 4, saving=str(tmp_path), start=tmp_path, **ONE)
