"""`jaxgen verify`: what it writes, and that a law that fails is its exit status."""

import json

import pytest

from jaxgen.cli import verify as command
from jaxgen.evaluation import laws


def test_a_model_whose_laws_hold_and_one_whose_do_not(tmp_path, monkeypatch, capsys):
    out = tmp_path / "new" / "laws.json"
    assert command.verify(models=("realnvp",), out=out) == 0
    (row,) = json.loads(out.read_text())
    assert row["model"] == "realnvp" and row["passed"] and row["order"] is None
    assert row["determinant"]["value"] < row["determinant"]["limit"] == laws.CLOSED
    assert row["coverage"]["value"] > 0.95 and "yes" in capsys.readouterr().out
    monkeypatch.setattr(laws, "round_trip_law", lambda *a: laws.Finding(float("nan"), laws.CLOSED, False))
    assert command.verify(models=("realnvp", "gan"), out=out) == 1
    rows = json.loads(out.read_text())
    assert rows[0]["round trip"] == {"value": None, "limit": laws.CLOSED, "passed": False}
    # A model without a density has no law here to break.
    assert rows[1]["density"] == "implicit" and rows[1]["passed"] is None
    assert "FAILS" in capsys.readouterr().out


def test_an_unknown_model_is_named():
    with pytest.raises(ValueError, match="--models realnpv: accepted: .*realnvp"):
        command.verify(models=("realnpv",))


def test_models_of_codes_are_enumerated(tmp_path):
    out = tmp_path / "laws.json"
    assert command.verify(models=("masked_diffusion",), out=out) == 0
    rows = {row["reading"]: row for row in json.loads(out.read_text())}
    assert rows["any_order"]["density"] == "exact" and rows["any_order"]["normalisation"]["limit"] == laws.CLOSED
    assert all(row["normalisation"]["passed"] and row["round trip"]["passed"] and row["determinant"] is None for row in rows.values())
