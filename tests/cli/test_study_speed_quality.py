"""`jaxgen study speed-quality`: real images have a ratio of one, rows and page are written as they come, mistakes are named."""

import json

import numpy as np
import pytest

from jaxgen import zoo
from jaxgen.cli import study_speed_quality as command
from jaxgen.data import load
from jaxgen.evaluation.speed_quality import QUICK


class Pixels:
    """A classifier whose features are four sums of pixels."""

    accuracy = 0.5

    def features(self, pixels):
        return np.floor(np.asarray(pixels)).reshape(len(pixels), 4, -1).sum(-1)


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(command, "train_classifier", lambda key, dataset: Pixels())
    return load("digits_8x8", labels=True)


def test_training_images_that_the_features_were_not_made_of_are_about_as_far_as_test_images_and_noise_is_far(known):
    distance, accuracy = command._distance(known, QUICK._replace(num_samples=150))
    assert accuracy == 0.5 and 0.7 < distance(known.train) < 1.5
    assert distance(np.random.default_rng(0).uniform(-1, 1, known.test.shape)) > 10


def test_rows_and_page_are_written_and_a_failure_is_told(known, monkeypatch, tmp_path):
    rows = [
        {"model": "gan", "evaluations": 1, "samples_per_second": 9.0, "quality": 2.0, "status": "ok"},
        {"model": "diffusion", "status": "failed: loss"},
    ]
    monkeypatch.setattr(command, "build", lambda name, shape, **options: zoo.build(name, shape, width=4, depth=1))
    monkeypatch.setattr(command, "speed_quality", lambda entries, images, distance, settings, with_steps: iter(rows))
    assert command.study_speed_quality(data="digits_8x8", quick=True, out=tmp_path / "s") == 1
    written = json.loads((tmp_path / "s" / "results.json").read_text())
    assert [kept | row for row, kept in zip(rows, written, strict=True)] == written
    assert [(r["entry"], r["seed"]) for r in written] == [("r3gan", 0), ("edm", 0)] and min(r["num_params"] for r in written) > 100
    page = (tmp_path / "s" / "report.html").read_text()
    assert "failed: loss" in page and "r3gan" in page and "0.5000" in page
    with pytest.raises(FileExistsError, match="--overwrite"):
        command.study_speed_quality(data="digits_8x8", quick=True, out=tmp_path / "s")
    assert command.study_speed_quality(data="digits_8x8", quick=True, out=tmp_path / "s", overwrite=True) == 1


def test_data_that_are_no_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two_moons"):
        command.study_speed_quality(data="two_moons", out=tmp_path / "s")
