"""What a training says of itself: its size and the time that it will take before anything else, then its pace and the time left."""

import re

import pytest

from jaxgen import fit
from jaxgen.objective import Batch
from jaxgen.training import progress
from jaxgen.training.progress import Pace, duration, per_step, progress_bar
from jaxgen.training.validation import _programs, validator


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_a_pace_counts_the_steps_since_the_first_update():
    """An interrupted fit begins at its own number of steps, and the first update waits for what is done once."""
    clock = Clock()
    pace = Pace(1_000, clock)
    assert pace.seen(400) is None and str(pace) == "no pace yet"
    clock.now += 30.0
    assert pace.seen(410) == 3.0 and str(pace) == "3 s/step, 30 min left"
    clock.now += 28.0
    assert pace.seen(600) == pytest.approx(0.29)
    assert pace.seen(1_000) == pytest.approx(58 / 600) and str(pace) == "10 steps/s"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1e-9, "1000000000 steps/s"), (0.1, "10 steps/s"), (0.7, "1.4 steps/s"), (1.0, "1 steps/s"), (12.34, "12 s/step")],
)
def test_a_slow_pace_is_seconds_a_step(seconds, words):
    assert per_step(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "0 s"), (99.4, "99 s"), (100, "2 min"), (5_999, "100 min"), (28_800, "8 h")])
def test_a_duration_is_in_the_unit_that_people_use(seconds, words):
    assert duration(seconds) == words


def test_the_size_and_the_time_stand_before_every_step(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(progress.time, "perf_counter", clock)
    with progress_bar(2_000, True, "tiny: 6 parameters") as bar:
        for done, seconds in ((1, 0.4), (2, 0.1), (4, 0.6), (14, 20.0)):
            clock.now += seconds
            bar.update(done, {"loss": 1.0, "gradient_norm": 2.0})
    first, second = capsys.readouterr().err.splitlines()
    assert first == "training tiny: 6 parameters; 0.23 s a step, so 2,000 steps take about 8 min"
    assert second == "training: step 14/2000, 1.6 s/step, 53 min left, loss 1"


def test_fit_says_what_it_trains(gaussian_entry, data, key, capsys):
    fit(key, gaussian_entry(), data, 20, batch_size=8, progress=True)
    first, *rest = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"training gaussian: \d parameters, batches of 8; \S+ s a step, so 20 steps take about \d s", first), first
    assert len(rest) == 1 and rest[0].startswith("training: step 20/20, ")


def test_neither_a_pace_nor_the_seconds_of_training_count_the_compilation_of_the_validation(gaussian_entry, data, key, monkeypatch, capsys):
    """Said as if each step took as long, a minute of training looked like an hour."""
    clock = Clock()

    def judge(params, aux, key, batch, clock_of_training):
        clock.now += 100.0  # what tracing takes
        return params["loc"].sum(), {}

    monkeypatch.setattr(progress.time, "perf_counter", clock)
    entry = gaussian_entry(judge=judge)
    fitted = fit(key, entry, data, 20, valid=data, eval_every=5, batch_size=8, progress=True)
    assert "0 s a step, so 20 steps take about 0 s" in capsys.readouterr().err
    assert fitted.history["train_seconds"] == 0 and fitted.history["compile_seconds"] >= 100


def test_the_validation_loss_is_compiled_before_its_first_call(gaussian_entry, data, key):
    entry = gaussian_entry()
    validator(entry, Batch(data), 7, (entry.model.transform.init(key, data[0]), ()))
    assert _programs(entry, 7, None)[1]._cache_size() == 1
