"""Two saves are kept, the newest whole one is taken, and what fails on the way costs none of them."""

import errno

import numpy as np
import pytest

from jaxgen import atomic
from jaxgen.training.saves import newest_save, write_save
from jaxgen.training.tensors import DamagedFileError


def save(folder, n, **options):
    return write_save(folder, {"a": np.full(3, n)}, {"step": n}, **options)


def spoil(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def test_the_newest_whole_save_is_taken_and_two_are_kept(tmp_path):
    with pytest.raises(FileNotFoundError, match="accepted: a folder in which a run was saved"):
        newest_save(tmp_path / "absent")
    paths = [save(tmp_path, n) for n in range(4)]
    assert [p.exists() for p in paths] == [False, False, True, True]
    (tmp_path / ".000009.safetensors.0f.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    assert newest_save(tmp_path).facts == {"step": 3} and newest_save(tmp_path).damaged == ()
    spoil(paths[3])
    taken = newest_save(tmp_path)
    assert taken.facts == {"step": 2} and taken.arrays["a"][0] == 2 and "000004" in taken.damaged[0]
    spoil(paths[2])
    with pytest.raises(DamagedFileError, match=r"000004.*000003"):
        newest_save(tmp_path)
    assert save(tmp_path, 9).name == "000005.safetensors" and newest_save(tmp_path).facts == {"step": 9}
    save(tmp_path, 10, alone=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000006.safetensors", "notes.txt"]


@pytest.mark.parametrize("room", [0, 9, 200, -1])
def test_a_disk_that_is_full_at_any_moment_loses_nothing(room, tmp_path):
    """The system lets a file grow to so many bytes, none or one too few among them."""
    resource = pytest.importorskip("resource")
    save(tmp_path, 1), save(tmp_path, 2)
    whole = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room % len(whole["000001.safetensors"]), hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            save(tmp_path, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == whole


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_nor_does_a_disk_that_refuses_at_the_end(call, tmp_path, monkeypatch):
    save(tmp_path, 1)

    def refuse(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, call, refuse)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, 2)
    monkeypatch.undo()
    assert newest_save(tmp_path).facts == {"step": 1} and len(list(tmp_path.iterdir())) == 1
