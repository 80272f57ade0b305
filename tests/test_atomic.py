"""Files are replaced whole or not at all, and nothing stays beside them."""

import json
import os
import stat

import numpy as np
import pytest

from jaxgen import atomic


def test_a_file_is_replaced_when_the_block_ends(tmp_path):
    path = tmp_path / "folder" / "x.txt"
    atomic.write_text(path, "old")
    with atomic.replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old" and part.parent == path.parent
    assert path.read_text() == "new" and os.listdir(path.parent) == ["x.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_the_file_as_it_was(error, tmp_path):
    path = tmp_path / "x.txt"
    atomic.write_text(path, "old")
    with pytest.raises(error), atomic.replacing(path) as part:  # noqa: PT012
        part.write_text("half")
        raise error
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x.txt"]


def test_two_writers_do_not_share_a_file(tmp_path):
    with atomic.replacing(tmp_path / "x.txt") as first, atomic.replacing(tmp_path / "x.txt") as second:
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "x.txt").read_text() == "first"


def test_json_without_a_finite_number_is_refused_whole(tmp_path):
    atomic.write_json(tmp_path / "x.json", {"a": 1.5})
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "x.json", {"a": np.nan})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1.5}


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    atomic.write_text(tmp_path / "x.txt", "")
    (tmp_path / "plain.txt").write_text("")
    assert stat.S_IMODE((tmp_path / "x.txt").stat().st_mode) == stat.S_IMODE((tmp_path / "plain.txt").stat().st_mode)


@pytest.mark.parametrize(
    "error", [KeyError("config"), AttributeError("x"), RecursionError("deep\nand long"), MemoryError(), ValueError("odd")]
)
def test_whatever_a_reader_raises_is_one_line_that_names_the_file(error):
    with pytest.raises(ValueError, match=r"^load: path='a' cannot be read \([^\n]*\); accepted: what jaxgen wrote, unchanged\.$"):  # noqa: SIM117
        with atomic.written_by_jaxgen("load: path='a'"):
            raise error


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), ValueError("x=1; accepted: 2.")])
def test_an_error_that_is_clear_already_passes(error):
    with pytest.raises(type(error), match=str(error)), atomic.written_by_jaxgen("load: path='a'"):
        raise error
