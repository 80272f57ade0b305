"""`jaxgen study speed-quality`: real images have a ratio of one, rows and page are written as they come, mistakes are named."""

import json

import numpy as np
import pytest

from jaxgen.cli import study_speed_quality as command
from jaxgen.cli.speed_quality import QUICK
from jaxgen.data import load


class Pixels:
    """A classifier whose features are four sums of pixels."""

    accuracy = 0.5

    def features(self, pixels):
        return np.floor(np.asarray(pixels)).reshape(len(pixels), 4, -1).sum(-1)


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(command, "train_classifier", lambda key, dataset: Pixels())
    return load("digits_8x8", labels=True)


def test_the_other_half_of_the_test_images_has_a_ratio_of_one_and_noise_a_larger_one(known, monkeypatch):
    monkeypatch.setattr(command, "SPLITS", 1)
    distance, accuracy = command.frechet_ratio(known, QUICK)
    half = len(known.test) // 2
    others = np.random.default_rng(QUICK.seed).permutation(known.test)[half : 2 * half]
    assert accuracy == 0.5 and distance(others) == pytest.approx(1.0)
    assert distance(np.random.default_rng(0).uniform(-1, 1, others.shape)) > 10


def test_training_images_that_the_features_were_not_made_of_are_about_as_far_as_test_images(known):
    distance, _ = command.frechet_ratio(known, QUICK._replace(num_samples=150))
    assert 0.7 < distance(known.train) < 1.5


def test_rows_and_page_are_written_and_a_failure_is_told(known, monkeypatch, tmp_path):
    rows = [
        {"model": "gan", "entry": "r3gan", "num_params": 10, "evaluations": 1, "samples_per_second": 9.0, "quality": 2.0, "status": "ok"},
        {"model": "diffusion", "entry": "edm", "num_params": 10, "status": "failed: loss"},
    ]
    monkeypatch.setattr(command, "speed_quality", lambda images, distance, settings: iter(rows))
    assert command.study_speed_quality(data="digits_8x8", quick=True, out=tmp_path / "s") == 1
    assert json.loads((tmp_path / "s" / "results.json").read_text()) == [{**row, "seed": 0} for row in rows]
    page = (tmp_path / "s" / "report.html").read_text()
    assert "failed: loss" in page and "r3gan" in page and "0.5000" in page
    with pytest.raises(FileExistsError, match="--overwrite"):
        command.study_speed_quality(data="digits_8x8", quick=True, out=tmp_path / "s")
    assert command.study_speed_quality(data="digits_8x8", quick=True, out=tmp_path / "s", overwrite=True) == 1


def test_data_that_are_no_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two_moons"):
        command.study_speed_quality(data="two_moons", out=tmp_path / "s")
