"""`jaxgen compare`: one object and one row per entry, whatever fails; one page that opens from disk."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from jaxgen.cli import compare_entry

FIELDS = {
    "model", "family", "objective", "reading", "density", "num_params", "num_aux_params", "nll", "nll_stderr", "nll_kind", "nll_gap",
    "sliced_w2", "sliced_w2_floor", "w2", "w2_floor", "mmd", "mode_coverage", "samples_per_second", "nfe", "compile_seconds",
    "train_seconds", "num_steps", "seed", "status",
}  # fmt: skip
TINY = ("--quick", "--steps", 20, "--num-params", 2_000)


@pytest.fixture
def broken_gan(monkeypatch):
    """Building `gan` fails; every other entry is as it is."""
    build = compare_entry.prepare

    def refuse(name, *args, **kwargs):
        if name == "gan":
            raise RuntimeError("a fault of its own")
        return build(name, *args, **kwargs)

    monkeypatch.setattr(compare_entry, "prepare", refuse)


def results(out):
    return {r["model"]: r for r in json.loads((out / "results.json").read_text())}


def test_a_failing_entry_is_a_red_row_and_can_be_run_again(command, tmp_path, monkeypatch, broken_gan):
    arguments = ("compare", "--data", "two_moons", "--models", "gan", "realnvp", *TINY, "--out", tmp_path / "out")
    ended = command(*arguments)
    assert ended.status == 1 and "1 of 2 entries ok" in ended.out and "failed: gan" in ended.err
    found = results(tmp_path / "out")
    assert found["gan"]["status"] == "failed: RuntimeError: a fault of its own"
    assert set(found["realnvp"]) >= FIELDS and found["realnvp"]["status"] == "ok"
    assert abs(found["realnvp"]["num_params"] - 2_000) <= 200 and found["realnvp"]["num_aux_params"] == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "a fault of its own" in page and page.count("data:image/png;base64,") == 1
    assert not re.search(r"(src|href)=[\"']https?:", page)

    monkeypatch.undo()
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "2")
    ended = command(*arguments, "--resume")
    assert ended.status == 0 and "2 of 2 entries ok" in ended.out
    again = results(tmp_path / "out")
    assert again["gan"]["nll"] is None and again["gan"]["num_aux_params"] > 0 and again["gan"]["density"] == "implicit"
    assert again["realnvp"]["train_seconds"] == found["realnvp"]["train_seconds"]
    # The atlas has a panel for each model, and each row of the table leads to its own.
    page = (tmp_path / "out" / "report.html").read_text()
    panels = json.loads(re.search(r'id="atlas-data">(.*?)</script>', page, re.DOTALL).group(1))["panels"]
    assert [(panel["label"]["name"], panel["line"]) for panel in panels] == [("realnvp", False), ("gan", True)]
    assert re.findall(r'href="(#[^"]*)"', page) == ["#atlas-0", "#atlas-1"]

    other = command(*arguments, "--data", "rings", "--resume")
    assert other.status == 2 and "data two_moons, not rings" in other.err
    assert results(tmp_path / "out") == again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--models", "gann"), "--models gann: accepted: all, gan"),
        (("--steps", 0), "--steps 0"),
        (("--num-params", 0), "--num-params 0"),
        (("--seeds", 0, 2**32), "--seeds 4294967296: accepted: an integer from 0"),
        (("--amount", 3), "--amount 3.0: accepted: a number above 0, with --equal"),
        (("--equal", "seconds", "--amount", -1), "--amount -1.0: accepted: a number above 0"),
        (("--equal", "flops", "--steps", 5), "--steps 5 with --equal flops: accepted: one of the two"),
        (("--data", "moons"), "moons"),
    ],
)
def test_a_mistake_is_answered_before_anything_is_trained(command, tmp_path, arguments, message):
    ended = command("compare", *arguments, "--out", tmp_path / "out")
    assert ended.status == 2 and message in ended.err and "Traceback" not in ended.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_data_of_codes_compare_the_models_of_codes(command, tmp_path):
    ended = command("compare", "--data", "ising_square", "--models", "masked_diffusion", *TINY[:-1], 10_000, "--out", tmp_path / "out")
    assert ended.status == 0, ended.err
    found = results(tmp_path / "out")["masked_diffusion"]
    assert found["nll_kind"] == "lower bound" and found["nll_gap"] > -0.1 and found["nfe"] == 64
    assert (tmp_path / "out" / "pictures" / "masked_diffusion-0.png").read_bytes().startswith(b"\x89PNG")


def test_data_of_codes_refuse_models_of_numbers(command, tmp_path):
    refused = command("compare", "--data", "ising_square", "--models", "realnvp", *TINY, "--out", tmp_path / "other")
    assert refused.status == 2 and "--models realnvp: accepted: all, masked_diffusion" in refused.err


@pytest.mark.slow
def test_a_table_of_numbers_categories_and_gaps_is_compared(command, tmp_path):
    """Its gaps are few, so that some of a bad model's samples have gaps where no test row has any."""
    rng = np.random.default_rng(0)
    age = rng.normal(40, 9, 60).round(2)
    age[:2] = np.nan
    pd.DataFrame({"age": age, "job": rng.choice(["a", "b", "c"], 60), "pay": rng.normal(size=60)}).to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "out"
    assert command("compare", "--data", tmp_path / "t.csv", "--models", "mixed_diffusion", *TINY, "--out", out).status == 0
    row = results(out)["mixed_diffusion"]
    assert row["status"] == "ok" and row["nll_kind"] == "exact"
    assert 0 < row["shape_error"] < 1 and 0 < row["shape_error_floor"] < 1 and "trend_error" in row
