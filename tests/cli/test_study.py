"""`jaxgen study beta` in small: a row a run, a page, resumption, and what a mistake is answered with."""

import json
import re

import numpy as np
import pytest

from jaxgen.cli import study_beta
from jaxgen.cli.study_beta import Budget, Images

TINY = ("--steps", 3, "--width", 8, "--latent-dim", 3, "--batch-size", 8, "--seeds", 0, "--quick")


@pytest.fixture
def images(monkeypatch):
    x = (np.random.default_rng(0).random((48, 6, 5, 1)) < 0.3).astype(np.float32)
    monkeypatch.setattr(study_beta, "black_and_white", lambda data, data_dir: Images(x[:24], x[24:], np.arange(24) % 3))
    monkeypatch.setattr(study_beta, "QUICK", Budget(3, 24, 24))


def test_a_run_for_each_beta_and_a_page_of_all(command, images, tmp_path):
    out = tmp_path / "out"
    ended = command("study", "beta", *TINY, "--betas", 0, 4, "--out", out)
    assert ended.status == 0, ended.err
    assert re.search(r"\[1/2\] beta 0, seed 0: rate .* nats, \d of 3 units active.*\n\[2/2\] beta 4", ended.out)
    rows = json.loads((out / "results.json").read_text())
    assert [r["beta"] for r in rows] == [0, 4] and all(r["status"] == "ok" for r in rows)
    for r in rows:
        np.testing.assert_allclose(r["nll_bound"], r["rate"] + r["distortion"], rtol=1e-6)
        np.testing.assert_allclose(sum(r["rates"]), r["rate"], rtol=1e-3, atol=1e-4)
        assert r["nll_50_draws"] < r["nll_bound"] + 1 and 10 < r["nll_bound"] < 40
        assert r["sharpness_means"] > 0 and r["active_units"] + r["collapsed_units"] <= r["units"] == 3
    page = (out / "report.html").read_text()
    assert page.count("<tbody") == 2 and page.count("<img") == 3 and len(list((out / "pictures").iterdir())) == 2

    more = command("study", "beta", *TINY, "--betas", 0, 1, 4, "--out", out, "--resume")
    assert more.status == 0 and "[2/3] beta 1" in more.out and "[1/3]" not in more.out and "[3/3]" not in more.out
    assert json.loads((out / "results.json").read_text())[:2] == rows
    # The first runs flagged as collapsed are those whose every unit is.
    remarks = (out / "report.html").read_text().count("Posterior collapse:")
    assert remarks == sum(r["collapsed"] for r in json.loads((out / "results.json").read_text()))
    other = command("study", "beta", *TINY, "--steps", 4, "--out", out, "--resume")
    assert other.status == 2 and "steps 3, not 4" in other.err
    assert command("study", "beta", *TINY, "--out", out).status == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--betas", -1), "--betas -1.0: accepted: at least one finite number"),
        (("--latent-dim", 1), "--latent-dim 1"),
        (("--steps", 0), "--steps 0"),
        (("--seeds", 2**40), "--seeds 1099511627776"),
    ],
)
def test_a_mistake_is_answered_in_one_line(command, images, tmp_path, arguments, message):
    ended = command("study", "beta", *arguments, "--out", tmp_path / "out")
    assert ended.status == 2 and message in ended.err and not (tmp_path / "out").exists()


def test_the_group_lists_its_studies(command):
    assert "beta" in command("study", "--help").out
    assert "study" in command("--help").out
