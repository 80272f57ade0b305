"""How long a default training is, and what its validation losses say."""

import numpy as np
import pytest

from jaxgen.training import steps_for, verdict


@pytest.mark.parametrize(
    ("num_rows", "batch_size", "steps"),
    [(10, 10, 200), (150, 150, 200), (512, 256, 400), (2_000, 256, 1_563), (3_840, 256, 3_000), (10**6, 256, 3_000)],
)
def test_few_rows_are_passed_over_two_hundred_times(num_rows, batch_size, steps):
    assert steps_for(3_000, num_rows, batch_size) == steps
    assert steps_for(100, num_rows, batch_size) == 100


@pytest.mark.parametrize(
    ("losses", "loss", "step", "overfits"),
    [
        ((3.0, 2.0, 1.0, 2.0, 3.0), 1.0, 30, True),
        ((3.0, np.nan, 2.0, 1.0, 1.5), 1.0, 40, False),
        ((3.0, 2.5, 2.0, 1.5, 1.0), 1.0, 50, False),
    ],
)
def test_the_verdict_is_the_best_loss_and_whether_it_was_long_ago(losses, loss, step, overfits):
    said = verdict({"valid_loss": np.asarray(losses), "valid_step": np.arange(10, 60, 10)})
    assert tuple(said) == (loss, step, overfits) and ("overfits since step" in str(said)) == overfits
    assert verdict({"valid_loss": np.asarray([np.nan]), "valid_step": np.asarray([1])}) is None is verdict({})
