"""A newcomer's session: a mixed csv with semicolons, decimal commas, gaps, dates, a constant and a column of names, by commands alone."""

import json

import numpy as np
import pandas as pd
import pytest

import jaxgen
from jaxgen.cli.columns import few_rows

ROWS = 200


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "name": [f"person {i}" for i in range(ROWS)],
            "age": rng.integers(18, 90, ROWS),
            "pay": np.exp(rng.normal(8, 1, ROWS)).round(2),
            "job": rng.choice(["cook", "nurse", "pilot"], ROWS),
            "since": pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, ROWS), "D"),
            "score": np.where(rng.uniform(size=ROWS) < 0.2, np.nan, rng.normal(size=ROWS).round(4)),
            "country": "CH",
        }
    )
    path = tmp_path_factory.mktemp("survey") / "survey.csv"
    frame.to_csv(path, sep=";", decimal=",", index=False)
    return path


def test_a_mixed_table_from_a_file_to_samples(command, survey, tmp_path):
    train = ("train", "--model", "tabular", "--data", survey, "--steps", 8, "--width", 8, "--depth", 1, "--batch-size", 64)
    refused = command(*train, "--out", tmp_path / "run")
    assert refused.status == 2 and "'name' has 200 different texts" in refused.err and "--drop" in refused.err
    assert not (tmp_path / "run").exists()
    ended = command(*train, "--drop", "name", "--out", tmp_path / "run")
    assert ended.status == 0, ended.err
    for line in ("age .* integer .*dequantised: a lower bound", "pay .* number .*above 0", "job .* category .*cook, nurse, pilot .*exact"):
        assert pd.Series([ended.out]).str.contains(line).all(), ended.out
    for line in ("since .* date .*2020-01-05 to 2022-06-16", "score .* number .*gaps modelled", "country .* constant .*CH .*put back"):
        assert pd.Series([ended.out]).str.contains(line).all(), ended.out

    assert command("sample", tmp_path / "run", "--num", 300, "--out", tmp_path / "drawn.csv").status == 0
    header, first = (tmp_path / "drawn.csv").read_text().splitlines()[:2]
    assert header == "age;pay;job;since;score;country" and first.endswith(";CH") and "," in first.split(";")[1]
    drawn = pd.read_csv(tmp_path / "drawn.csv", sep=";", decimal=",", parse_dates=["since"])
    assert drawn["age"].dtype == np.int64 and set(drawn["job"]) <= {"cook", "nurse", "pilot"} and (drawn["pay"] > 0).all()
    assert 0 < drawn["score"].isna().mean() < 1 and drawn["since"].notna().all()
    assert command("sample", tmp_path / "run", "--num", 20, "--out", tmp_path / "drawn.parquet").status == 0
    assert list(pd.read_parquet(tmp_path / "drawn.parquet")) == header.split(";")
    text = command("sample", tmp_path / "run", "--num", 5, "--out", tmp_path / "drawn.npy")
    assert text.status == 2 and "column 'job' holds text; accepted: a .csv or .parquet file" in text.err

    # Samples are a file like any other: the run's own columns are used for it.
    scored = command("log-prob", tmp_path / "run", tmp_path / "drawn.csv", "--num-draws", 5, "--out", tmp_path / "lp.csv")
    assert scored.status == 0 and "300 events: mean log p" in scored.out and "lower bound" in scored.out
    assert np.isfinite(pd.read_csv(tmp_path / "lp.csv")["log_prob"]).all()
    figures = command("evaluate", tmp_path / "run", "--num-samples", 20, "--num-draws", 5)
    assert figures.status == 0, figures.err
    written = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert np.isfinite([written[name] for name in ("nll", "shape_error", "shape_error_floor", "trend_error", "detection_auc_floor")]).all()
    assert set(written["columns"]) == {"age", "pay", "job", "since", "score"} and len(written["pairs"]) == 10
    page = (tmp_path / "run" / "evaluation.html").read_text()
    assert "closest_record" in page and "pay and job" in page
    found = command("diagnose", tmp_path / "run", "--num-samples", 200)
    assert found.status == 0 and "The bridge is not measured: the table has gaps" in found.out, found.err
    unseen = survey.read_text().replace("nurse", "baker", 1)
    (tmp_path / "new.csv").write_text(unseen)
    refused = command("log-prob", tmp_path / "run", tmp_path / "new.csv")
    assert refused.status == 2 and "unseen category 'baker'; accepted: 'cook', 'nurse', 'pilot'" in refused.err


def test_conditions_of_any_type_stand_beside_the_samples(command, survey, tmp_path):
    columns = ("--columns", "pay", "score", "--cond-columns", "job", "age")
    train = ("train", "--model", "maf", "--data", survey, *columns, "--width", 8, "--depth", 1, "--out", tmp_path / "run")
    ended = command(*train, "--steps", 4)
    assert ended.status == 0 and "job" in ended.out, ended.err
    assert command("sample", tmp_path / "run", "--cond", survey, "--out", tmp_path / "drawn.csv").status == 0
    drawn, asked = (pd.read_csv(path, sep=";", decimal=",") for path in (tmp_path / "drawn.csv", survey))
    assert list(drawn) == ["age", "pay", "job", "score"]
    pd.testing.assert_frame_equal(drawn[["age", "job"]], asked[["age", "job"]])
    assert "200 events" in command("log-prob", tmp_path / "run", survey, "--num-draws", 2).out
    assert command("evaluate", tmp_path / "run", "--num-samples", 20, "--num-draws", 2).status == 0
    again = command(*train, "--steps", 6, "--resume")
    assert again.status == 0 and "finished after 6 steps" in again.out, again.err
    other = command(*train, "--steps", 8, "--resume", "--no-supports")
    assert other.status == 2 and "trained on a table with other columns" in other.err


def test_few_rows_are_said_to_be_few(survey):
    few, enough = (jaxgen.data.load(survey, columns=columns) for columns in (["pay", "age", "score", "job", "since"] * 1, ["pay", "age"]))
    assert few_rows(few._replace(train=few.train[:90])).startswith("90 training rows for 5 coordinates are few")
    assert few_rows(enough) is None


def test_questions_of_a_table_and_its_gaps_by_commands_alone(command, survey, tmp_path):
    """One run answers what is given by name, in the words of the file, and fills a file's gaps; nothing else of the file changes."""
    small = ("--steps", 4, "--width", 8, "--depth", 1, "--batch-size", 64)
    ended = command("train", "--any-subset", "--data", survey, *small, "--drop", "name", "--out", tmp_path / "run")
    assert ended.status == 0 and "gaps trained on" in ended.out, ended.err
    given = ("--given", "age=35,job=nurse", "since=2021-03-01")
    assert command("sample", tmp_path / "run", "--num", 30, *given, "--out", tmp_path / "drawn.csv").status == 0
    drawn = pd.read_csv(tmp_path / "drawn.csv", sep=";", decimal=",")
    assert set(drawn["age"]) == {35} and set(drawn["job"]) == {"nurse"} and set(drawn["since"]) == {"2021-03-01"}
    assert drawn["pay"].nunique() > 20 and drawn["score"].notna().all()
    for wrong, said in (
        ("pilots=1", "no column 'pilots'; accepted: 'age', 'pay', 'job', 'since', 'score' or an index from 0 to 4"),
        ("job=baker", "given['job']='baker'; accepted: 'cook', 'nurse', 'pilot'"),
        ("pay=-1", "given['pay']='-1'; accepted: a number above 0, the support of column 'pay'"),
        ("age=35.5", "given['age']='35.5'; accepted: a whole number"),
        ("since=2031-01-01", "given['since']='2031-01-01'; accepted: a date from 2020-01-05 to 2022-06-16"),
        ("age", "--given age: accepted: name=value"),
    ):
        refused = command("sample", tmp_path / "run", "--given", wrong, "--out", tmp_path / "none.csv")
        assert refused.status == 2 and said in refused.err and refused.err.count("\n") == 1, refused.err
        assert not (tmp_path / "none.csv").exists()

    assert command("impute", tmp_path / "run", survey, "--draws", 2, "--out", tmp_path / "full.csv").status == 0
    before, after = (pd.read_csv(path, sep=";", decimal=",") for path in (survey, tmp_path / "full.csv"))
    assert list(after) == ["draw", *before] and after.notna().all().all() and len(after) == 2 * ROWS
    gone = before["score"].isna().to_numpy()
    first, second = (after[after["draw"] == k].drop(columns="draw").reset_index(drop=True) for k in (0, 1))
    pd.testing.assert_frame_equal(first[~gone], before[~gone])
    pd.testing.assert_frame_equal(first.drop(columns="score"), before.drop(columns="score"))
    assert (first["score"][gone] != second["score"][gone]).all()
    asked = ("log-prob", tmp_path / "run", survey, "--num-draws", 2)
    ended = command(*asked, "--of", "pay", "--given", "age", "job", "--out", tmp_path / "lp.csv")
    assert ended.status == 0 and np.isfinite(pd.read_csv(tmp_path / "lp.csv")["log_prob"]).all(), ended.err
