"""A training that ends by the clock: as many steps as fit, each as if that number had been asked for."""

import sys

import jax
import numpy as np
import pytest

from jaxgen import fit
from jaxgen.training.chunk import Chunk, Plan

within_module = sys.modules["jaxgen.training.within"]
SECONDS = 3.0


@pytest.fixture
def clock(monkeypatch):
    """A clock that only training steps move, the first call of a program by a minute more."""
    times = [0.0]
    monkeypatch.setattr(within_module.time, "perf_counter", lambda: times[0])
    return times


def chunks(clock, made):
    def make(plan):
        calls = []

        def run(state, done, until):
            clock[0] += (until - done) * SECONDS + 60.0 * (not calls)
            calls.append((done, until))
            return jax.tree.map(lambda a: a + until - done, state), {}

        made.append((plan, calls))
        return Chunk(run, {"step": jax.numpy.zeros(())}, 2.0)

    return make


@pytest.mark.parametrize(("minutes", "done", "steps"), [(1.0, 0, 20), (1.0, 400, 420), (0.01, 7, 8)])
def test_as_many_steps_as_fit_and_at_least_one(minutes, done, steps, clock):
    made = []
    plan, chunk = within_module.within(minutes, Plan(1_000, 8, 0.9, 100), done, chunks(clock, made), lambda s: (s,))
    assert plan == Plan(steps, 8, 0.9, 100) and [p.num_steps for p, _ in made] == [1_000, steps]
    assert chunk.compile_seconds == 4.0 and made[1][1] == []
    assert all(begin == done for begin, _ in made[0][1])


@pytest.mark.parametrize("minutes", [None, 50.0])
def test_what_fits_is_compiled_once_and_its_state_left_alone(minutes, clock):
    made = []
    plan, chunk = within_module.within(minutes, Plan(1_000, 8, 0.9, 100), 0, chunks(clock, made), lambda s: (s,))
    assert plan.num_steps == 1_000 and len(made) == 1 and float(chunk.state["step"]) == 0.0
    assert (made[0][1] == []) is (minutes is None)


@pytest.mark.parametrize("host_work", [False, True])
def test_a_fit_by_the_clock_is_the_fit_of_its_steps(host_work, gaussian_entry, data, key, monkeypatch):
    """Measuring leaves no trace: neither in the state, nor in the batches that the host prepares, nor in an interrupted fit."""
    prepare = (lambda key, batch: batch) if host_work else None
    entry, how = gaussian_entry(prepare=prepare), {"batch_size": 8, "progress": False, "steps_per_chunk": 4}
    plain = fit(key, entry, data, 10, **how)
    measured = fit(key, entry, data, 10, minutes=1e6, **how)
    monkeypatch.setattr(within_module, "seconds_a_step", lambda *a: 6.0)
    cut = fit(key, entry, data, 5_000, minutes=1.0, **how)
    for other in (measured, cut):
        assert other.history["num_steps"] == other.history["planned_steps"] == 10
        np.testing.assert_array_equal(other.history["loss"], plain.history["loss"])
        jax.tree.map(np.testing.assert_array_equal, other.params, plain.params)


def test_minutes_are_a_positive_number(gaussian_entry, data, key):
    for minutes in (0, -1.0, float("nan"), float("inf"), "5"):
        with pytest.raises(ValueError, match="fit: minutes="):
            fit(key, gaussian_entry(), data, 10, minutes=minutes)
    with pytest.raises(ValueError, match="minutes"):
        fit(key, gaussian_entry(), data, 10, minutes=1.0, seeds=2)
