"""A few hundred of the cases of benchmarks/fuzz.py: mutated files are read as they are or refused in one clear sentence."""

import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))
try:
    from fuzzing import tables, verdict
finally:
    sys.path.remove(str(FOLDER))

FILES = tables.files()
FIRST = 1_000_000
"""Seeds that no run of the script begins with."""


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    return verdict.Guard(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("name", FILES)
def test_a_mutated_file_is_read_or_refused(name, guard):
    make = tables.target(*FILES[name])
    for seed in range(FIRST, FIRST + 40):
        found = verdict.judge(make(np.random.default_rng(seed), guard.folder), guard)
        assert found.kind in ("accepted", "refused"), f"{name}, seed {seed}: {found}"


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (lambda: {}["x"], "traceback"),
        (lambda: np.zeros(3).reshape(2), "depths"),
        (lambda: 1, "accepted"),
    ],
)
def test_the_verdict_sees_what_it_looks_for(case, kind, guard):
    assert verdict.judge(case, guard).kind == kind


def test_a_file_that_is_written_elsewhere_is_seen(guard, tmp_path):
    assert verdict.judge(lambda: (guard.folder / "own").write_text(""), guard).kind == "accepted"
    assert verdict.judge(lambda: (tmp_path / "other").write_text(""), guard).kind == "outside"
