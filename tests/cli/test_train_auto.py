"""`jaxgen train` without a model: a table of numbers gets the mixture in its own units, and other data what suits them."""

import re

import jax
import numpy as np
import pytest

import jaxgen
from jaxgen.cli.train_auto import chosen


def test_a_table_of_numbers_is_fitted_saved_and_sampled_in_its_units(command, tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(170.0, 10.0, (100, 1)) + [0.0, -100.0] + [[0.0, 1.0]] * rng.normal(0.0, 2.0, (100, 1))
    np.savetxt(tmp_path / "people.csv", rows, delimiter=",", header="height,weight", comments="")
    ended = command("train", "--data", tmp_path / "people.csv", "--out", tmp_path / "run")
    assert ended.status == 0, ended.err
    assert "mixture_with_flow: finished after 0 steps" in ended.out
    assert re.search(r"NLL of the 10 validation rows.*mixture_with_flow has \S+, a Gaussian has \S+, a mixture of \d \S+", ended.out)
    entry, fitted = jaxgen.load(tmp_path / "run")
    nll = -float(jaxgen.log_prob(entry.model, fitted.params, rows.astype(np.float32)).value.mean())
    assert abs(nll - (0.5 * np.log(2 * np.pi * np.e) * 2 + np.log(10.0) + np.log(2.0))) < 0.4
    assert command("sample", tmp_path / "run", "--num", 500, "--out", tmp_path / "drawn.csv").status == 0
    assert (tmp_path / "drawn.csv").read_text().startswith("height,weight")
    drawn = np.loadtxt(tmp_path / "drawn.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(drawn.mean(0), rows.mean(0), atol=2.5)
    again = command("train", "--data", tmp_path / "people.csv", "--out", tmp_path / "run", "--resume")
    assert again.status == 2 and "in one go; accepted: --overwrite" in again.err


def test_other_data_get_what_suits_them(tmp_path):
    (tmp_path / "mixed.csv").write_text("age,job\n" + "".join(f"{20 + i % 30}.5,{'abc'[i % 3]}\n" for i in range(60)))
    mixed = jaxgen.data.load(tmp_path / "mixed.csv")
    assert chosen(mixed, resume=False) == chosen(mixed, resume=True) == "tabular"
    assert chosen(jaxgen.data.load("rings", num_train=10), resume=False) == "nsf"
    with pytest.raises(ValueError, match="this is for tables; accepted for images"):
        chosen(jaxgen.data.load("digits_8x8"), resume=False)


def people(path, num=60):
    rows = np.random.default_rng(0).normal(170.0, 10.0, (num, 2))
    np.savetxt(path / "people.csv", rows, delimiter=",", header="height,weight", comments="")
    return "train", "--data", path / "people.csv", "--out", path / "run"


@pytest.mark.parametrize("option", [("--num-params", 500), ("--ema", 0.5)])
def test_what_auto_does_not_take_is_refused_and_not_ignored(command, tmp_path, option):
    ended = command(*people(tmp_path), *option)
    assert ended.status == 2 and f"{option[0]} {option[1]}: --model auto does not take it" in ended.err
    assert not (tmp_path / "run").exists()


def test_columns_are_told_before_anything_is_fitted(command, tmp_path, monkeypatch):
    def stopped(*_):
        raise ValueError("stopped")

    monkeypatch.setattr("jaxgen.cli.train_auto.fit_auto", stopped)
    ended = command(*people(tmp_path))
    assert ended.status == 2 and "stopped" in ended.err and "height" in ended.out and "weight" in ended.out


@pytest.mark.parametrize("model", [(), ("--model", "realnvp")])
def test_images_need_a_model_of_images(command, tmp_path, model):
    np.save(tmp_path / "images.npy", np.arange(160, dtype=np.uint8).reshape(10, 4, 4))
    ended = command("train", "--data", tmp_path / "images.npy", "--out", tmp_path / "run", *model)
    assert (
        ended.status == 2 and f"--model {model[1] if model else 'auto'}: --data " in ended.err and "accepted for images: gan" in ended.err
    )


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--weight-decay", -1), "--weight-decay -1.0: accepted: a number of at least 0"),
        (("--model", "gan", "--weight-decay", 1), "several optimisers"),
    ],
)
def test_a_weight_decay_that_cannot_be_is_refused(command, tmp_path, option, said):
    ended = command(*people(tmp_path), *option)
    assert ended.status == 2 and said in ended.err


def test_weights_decay_by_the_option(command, tmp_path):
    """A decay near 1 / learning rate takes most of each parameter at a step: a fortieth of the start and the last updates are left."""
    ended = command(*people(tmp_path), "--model", "realnvp", "--width", 4, "--steps", 4, "--weight-decay", 300, "--ema", 0)
    assert ended.status == 0, ended.err
    entry, fitted = jaxgen.load(tmp_path / "run")
    assert entry.card.config["training"]["weight_decay"] == 300
    assert max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(fitted.params[0])) < 0.1
