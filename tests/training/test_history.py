"""What early stopping decides from a history, and what a history says of its chunks: closed forms, without a fit."""

import numpy as np
import pytest

from jaxgen.training.history import EarlyStopping, History, history_of, joined, parted

NAN = float("nan")


def taken(*losses):
    """A history with one validation loss after each step."""
    history = History()
    for step, loss in enumerate(losses, 1):
        history = history.with_validation(step, loss)
    return history


@pytest.mark.parametrize(
    ("losses", "patience", "judge_from", "best", "some_best", "stops"),
    [
        ((3.0, 2.0), 2, 0, True, True, False),
        # The first of equal losses is the best one, and the others count against patience.
        ((3.0, 2.0, 2.0), 2, 0, False, True, False),
        ((3.0, 2.0, 2.0, 2.0), 2, 0, False, True, True),
        ((3.0, 2.0, 5.0, 4.0), 3, 0, False, True, False),
        # A loss at the step from which losses count does count; those before it do not.
        ((1.0, 9.0), 1, 2, True, True, False),
        ((1.0, 9.0, 9.5), 1, 2, False, True, True),
        ((1.0,), 1, 2, False, False, False),
        ((NAN, NAN), 2, 0, False, False, False),
        ((NAN, 5.0), 1, 0, True, True, False),
        ((), 1, 0, False, False, False),
        # Without patience nothing stops, and the best is known all the same.
        ((3.0, 4.0, 5.0), None, 0, False, True, False),
    ],
)
def test_the_first_of_the_best_counts_and_patience_runs_from_it(losses, patience, judge_from, best, some_best, stops):
    stopping, history = EarlyStopping(patience, judge_from), taken(*losses)
    assert (stopping.is_best(history), stopping.has_best(history), stopping.stops(history)) == (best, some_best, stops)


def test_a_history_joins_its_chunks_and_its_last_metrics_are_those_of_the_last_step():
    chunks = [{"loss": np.asarray([5.0, 4.0])}, {"loss": np.asarray([3.0, 2.5])}, {"loss": np.asarray([])}]
    history = taken(1.0, 0.5)
    for chunk in chunks:
        history = history.with_chunk(chunk)
    assert history.last() == {"loss": 2.5} and History().last() == {}
    arrays = {**history.arrays(), "num_steps": 4}
    np.testing.assert_array_equal(arrays["loss"], [5.0, 4.0, 3.0, 2.5])
    back = history_of(arrays)
    assert back.validations == history.validations and set(back.metrics()) == {"loss"}
    assert {name: values.tolist() for name, values in back.arrays().items()} == {
        "loss": [5.0, 4.0, 3.0, 2.5], "valid_step": [1, 2], "valid_loss": [1.0, 0.5],
    }  # fmt: skip


def test_a_history_in_two_parts_is_the_history():
    """Validation losses of a step belong to the fit that took the step."""
    whole = {
        "loss": np.arange(9.0), "gradient_norm": np.arange(9.0) + 1, "valid_step": np.asarray([2, 4, 7, 9], np.int32),
        "valid_loss": np.asarray([4.0, 3.0, 2.0, 1.0], np.float32), "num_steps": 9, "compile_seconds": 1.5, "train_seconds": 7.0,
    }  # fmt: skip
    for done in (0, 4, 5):
        first, second = parted(whole, done)
        assert (len(first) > 0) == (done > 0) and second["num_steps"] == 9 - done and len(second["loss"]) == 9 - done
        again = joined(first, second)
        assert set(again) == set(whole)
        for name, value in whole.items():
            np.testing.assert_array_equal(again[name], value)
    assert list(parted(whole, 4)[1]["valid_step"]) == [3, 5]
