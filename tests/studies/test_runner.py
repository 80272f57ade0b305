"""A study stores its predictions first, keeps what is done, goes on where it stopped, and judges by the stored rows alone."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jaxgen.cli.study_command import command_of
from jaxgen.studies import Choice, Prediction, Study, Table, Verdict, run_study
from jaxgen.studies.runner import programs_kept
from jaxgen.studies.study import completed
from jaxgen.training import Fitted, TrainingDiverged
from jaxgen.viz import Section


@pytest.fixture
def ran():
    return []


@pytest.fixture
def study(ran, tmp_path):
    def run(cell):
        assert json.loads((tmp_path / "s" / "study.json").read_text())["predictions"][0]["claim"] == "Twice is more."
        ran.append((cell["factor"], cell["seed"]))
        if cell["factor"] == 3:
            raise TrainingDiverged(4, {}, Fitted({}, {}, {}))
        if cell["factor"] == 4:
            return [{"status": "refused: four"}]
        return [{"value": cell["factor"] * cell["seed"]}]

    def judge(rows):
        twice = [row["value"] for row in rows if row["factor"] == 2]
        return Verdict(sum(twice) > 3 if twice else None, f"{len(twice)} runs.")

    def cells(quick, seeds):
        return [{"factor": factor, "seed": seed} for factor in ((2,) if quick else (2, 3, 4)) for seed in seeds]

    table = Table(
        {"factor": "f", "value": "v"},
        lambda row: [str(row["factor"]), str(row["value"])],
        lambda rows: [Section("Figures", f"{len(rows)} good.")],
    )
    (tmp_path / "s").mkdir()
    return Study("double", "Is twice <b>more</b>?", (Prediction("Twice is more.", "Less.", judge),), cells, run, table, 1, 2)


def test_rows_verdicts_and_page(study, tmp_path):
    out = tmp_path / "s"
    lines = []
    record = run_study(out, study, Choice(seeds=(1, 2)), lines.append)
    assert record["predictions"] == [{"claim": "Twice is more.", "refuted_by": "Less."}]
    assert record["verdicts"] == [{"holds": True, "evidence": "2 runs."}]
    assert lines[0] == "predicted: Twice is more." and len(lines) == 7
    assert sorted((r["factor"], r["seed"], r["status"].split(":")[0]) for r in record["rows"]) == [
        (2, 1, "ok"), (2, 2, "ok"), (3, 1, "failed"), (3, 2, "failed"), (4, 1, "refused"), (4, 2, "refused"),
    ]  # fmt: skip
    assert json.loads((out / "study.json").read_text()) == record
    page = (out / "study.html").read_text()
    assert "Is twice &lt;b&gt;more" in page and "holds" in page and "2 good." in page and "refused: four" in page


def test_what_is_done_is_kept_and_what_failed_is_done_again(study, ran, tmp_path):
    out = tmp_path / "s"
    run_study(out, study, Choice(seeds=(1, 2), only="2-1-"))
    assert ran == [(2, 1)]
    run_study(out, study, Choice(seeds=(1, 2)))
    assert ran == [(2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2)]
    run_study(out, study, Choice(seeds=(1, 2)))
    assert ran[6:] == [(3, 1), (3, 2)]


def test_an_interrupt_keeps_the_runs_before_it(study, ran, tmp_path):
    def interrupted(cell):
        if cell["seed"] == 2:
            raise KeyboardInterrupt
        return study.run(cell)

    command = command_of(study._replace(run=interrupted))
    assert command(out=tmp_path / "s", seeds=(1, 2), quick=True) == 130
    assert command_of(study)(out=tmp_path / "s", seeds=(1, 2), quick=True, resume=True) == 0
    assert ran == [(2, 1), (2, 2)]


def test_an_interrupted_fit_ends_the_study(study, tmp_path):
    stopped = study._replace(run=lambda cell: [{"value": completed(Fitted(3, (), {}, "interrupted")).params}])
    assert command_of(stopped)(out=tmp_path / "s", seeds=(1,), quick=True) == 130
    assert not list((tmp_path / "s").glob("cells/*"))


def test_the_exit_status_tells_of_failures_and_folders_are_not_mixed(study, tmp_path, capsys):
    command = command_of(study)
    assert command(out=tmp_path / "s", seeds=(1,)) == 1
    assert "holds: Twice is more." not in capsys.readouterr().out  # One seed gives 2, which is not above 3.
    with pytest.raises(FileExistsError, match="--resume"):
        command(out=tmp_path / "s", seeds=(1,))
    with pytest.raises(ValueError, match="other settings"):
        command(out=tmp_path / "s", seeds=(1, 2), resume=True)
    with pytest.raises(ValueError, match="--only nothing: none of the 3 cells"):
        command(out=tmp_path / "s", seeds=(1,), resume=True, only="nothing")
    assert command(out=tmp_path / "s", seeds=(1, 2), overwrite=True, quick=True) == 0
    assert "Is twice" in (command.__doc__ or "")


def test_programs_are_kept_during_a_study_and_settings_are_as_before_after_it():
    config = jax.config

    def settings():
        return config.jax_compilation_cache_dir, config.jax_persistent_cache_min_compile_time_secs

    before = settings()
    config.update("jax_compilation_cache_dir", None)
    try:
        kept = programs_kept()
        kept.__enter__()
        folder = Path(config.jax_compilation_cache_dir)
        jax.jit(lambda x: jnp.linalg.qr(x)[0] @ jnp.sin(x))(jnp.ones((3, 3))).block_until_ready()
        assert folder.is_dir()
        assert not kept.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        assert settings() == (None, before[1]) and not folder.exists()
        config.update("jax_compilation_cache_dir", "the users own")
        with programs_kept():
            assert config.jax_compilation_cache_dir == "the users own"
    finally:
        config.update("jax_compilation_cache_dir", before[0])
