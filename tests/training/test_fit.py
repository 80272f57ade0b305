"""The loop: equal to one written by hand and to itself on two devices; what it keeps when it diverges, stops or is interrupted."""

import contextlib
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import TrainingDiverged, fit, zoo
from jaxgen.objective import Batch, Clock, Schedule
from jaxgen.training import batch_at, compile_fit, init_state, make_step
from jaxgen.training.interrupt import deferred_interrupt
from jaxgen.training.validation import Validator

fit_module = sys.modules["jaxgen.training.fit"]
ONE = {"progress": False, "batch_size": 8}


def equal(a, b, **tol):
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(left, right, **tol)


def by_hand(key, entry, data, num_steps, run=None, batch_size=8, ema=0.999):
    key_init, key_run, _ = jax.random.split(key, 3)
    state = jax.jit(lambda key, batch: init_state(key, entry, batch, num_steps))(key_init, Batch(data[:batch_size]))
    step, losses = jax.jit(make_step(entry, num_steps, ema=ema)), []
    for i in range(run or num_steps):
        batch, key_step = batch_at(key_run, i, Batch(data), batch_size)
        if entry.objective.prepare is not None:
            batch = entry.objective.prepare(jax.random.fold_in(key_step, 2), batch)
        state, metrics = step(state, batch, key_step)
        losses.append(float(metrics["loss"]))
    return state, losses


@pytest.mark.parametrize("steps_per_chunk", [4, 100])
def test_fit_equals_a_loop_by_hand(steps_per_chunk, gaussian_entry, data, key):
    entry = gaussian_entry()
    fitted = fit(key, entry, data, 10, steps_per_chunk=steps_per_chunk, devices=jax.devices()[:1], **ONE)
    state, losses = by_hand(key, entry, data, 10)
    equal(fitted.params, state.ema, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fitted.history["loss"], losses, rtol=1e-5)
    assert fitted.status == "finished" and fitted.history["num_steps"] == 10
    assert {len(v) for k, v in fitted.history.items() if k in ("loss", "nll", "gradient_norm")} == {10}
    # The moving average is not the last state, and both have moved.
    assert not np.allclose(state.ema["loc"], state.params["loc"]) and np.all(np.abs(state.ema["loc"]) > 0.01)


def test_two_devices_give_the_parameters_of_one(gaussian_entry, data, key):
    entry = gaussian_entry()
    fits = [fit(key, entry, data, 12, devices=jax.devices()[:n], steps_per_chunk=5, **ONE) for n in (1, 2)]
    equal(fits[0].params, fits[1].params, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fits[0].history["loss"], fits[1].history["loss"], rtol=1e-4)


@pytest.mark.parametrize("name", ["gan", "meanflow"])
def test_noise_and_times_do_not_depend_on_the_number_of_devices(name, data, key):
    """The objective of `gan` is additive and is split; that of `meanflow` sees its batch whole, on one device."""
    entry = zoo.build(name, (2,), width=4, depth=1)
    one, two = (fit(key, entry, data, 3, devices=jax.devices()[:n], **ONE) for n in (1, 2))
    assert entry.objective.additive == (name == "gan")
    np.testing.assert_allclose(one.history["loss"], two.history["loss"], rtol=1e-5)


def test_a_batch_that_does_not_divide_runs_on_fewer_devices(gaussian_entry, data, key):
    assert fit(key, gaussian_entry(), data, 2, batch_size=7, progress=False).history["num_steps"] == 2


def test_maximum_likelihood_of_a_gaussian_finds_its_moments(gaussian_entry, data, key):
    fitted = fit(key, gaussian_entry(), data, 600, batch_size=60, ema=0.98, progress=False)
    np.testing.assert_allclose(fitted.params["loc"], data.mean(0), atol=0.1)
    tril = np.tril(fitted.params["tril"], -1) + np.diag(np.abs(np.diag(fitted.params["tril"])))
    np.testing.assert_allclose(tril @ tril.T, np.cov(data.T, bias=True), atol=0.3)


def nan_at(bad_step):
    def wrap(loss):
        def broken(params, aux, key, batch, clock):
            value, metrics = loss(params, aux, key, batch, clock)
            return jnp.where(clock.step == bad_step, jnp.nan, 1.0) * value, metrics

        return broken

    return wrap


def test_divergence_names_the_step_and_keeps_the_last_good_parameters(gaussian_entry, data, key):
    with pytest.raises(TrainingDiverged, match=r"at step 7; last finite metrics: .*loss=.*comes from .*in nan_at") as caught:
        fit(key, gaussian_entry(nan_at(7)), data, 20, steps_per_chunk=5, **ONE)
    error = caught.value
    assert error.step == 7 and error.fitted.status == "diverged" and np.isfinite(error.metrics["loss"])
    assert len(error.fitted.history["loss"]) == 7 and error.fitted.history["num_steps"] == 7
    state, _ = by_hand(key, gaussian_entry(), data, 20, run=7)
    equal(error.fitted.params, state.ema, rtol=1e-4, atol=1e-6)


def test_divergence_at_the_first_step_and_by_overflow(gaussian_entry, data, key):
    with pytest.raises(TrainingDiverged, match="at step 0; last finite metrics: none"):
        fit(key, gaussian_entry(nan_at(0)), data, 4, **ONE)
    with pytest.raises(TrainingDiverged) as caught:
        fit(key, gaussian_entry(), 1e30 * data, 4, **ONE)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(caught.value.fitted.params))


def test_an_interrupt_keeps_what_is_done(gaussian_entry, data, key):
    """The signal comes from the host work of the third chunk, while the loop runs the second."""
    calls = []

    def prepare(key, batch):
        calls.append(1)
        if len(calls) == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return batch

    before = signal.getsignal(signal.SIGINT)
    fitted = fit(key, gaussian_entry(prepare=prepare), data, 400, steps_per_chunk=4, **ONE)
    assert fitted.status == "interrupted"
    done = fitted.history["num_steps"]
    assert 0 < done < 400 and done % 4 == 0 and len(fitted.history["loss"]) == done
    state, _ = by_hand(key, gaussian_entry(), data, 400, run=done)
    equal(fitted.params, state.ema, rtol=1e-4, atol=1e-6)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("host_work", [False, True])
def test_an_interrupted_fit_goes_on_as_if_it_had_not_been(host_work, gaussian_entry, data, key):
    """Parameters and history of a fit interrupted after its second chunk and gone on with are those of one in a single piece."""
    prepare = (lambda key, batch: batch) if host_work else None
    # Held-out data where the model starts: the best params are those before the interruption, and are remembered.
    arguments = {"valid": 0 * data, "patience": 9, "eval_every": 8, "steps_per_chunk": 4, "ema": 0.0, **ONE}
    whole = fit(key, gaussian_entry(prepare=prepare), data, 20, **arguments)

    class Interrupting:
        def update(self, done, metrics):
            if done == 8:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_module, "progress_bar", lambda *a: contextlib.nullcontext(Interrupting()))
        half = fit(key, gaussian_entry(prepare=prepare), data, 20, **arguments)
    assert half.status == "interrupted" and half.history["num_steps"] == 8 and int(half.state.step) == 8
    half = half._replace(history={**half.history, "train_seconds": 1e6})
    gone_on = fit(key, gaussian_entry(prepare=prepare), data, 20, start=half, **arguments)
    assert gone_on.history["train_seconds"] > 1e6
    assert gone_on.status == "finished" and gone_on.state is None
    assert np.argmin(whole.history["valid_loss"]) == 0 < len(whole.history["valid_loss"]) - 1
    equal((gone_on.params, gone_on.aux), (whole.params, whole.aux), rtol=0)
    for name in ("loss", "gradient_norm", "valid_step", "valid_loss", "num_steps"):
        np.testing.assert_array_equal(gone_on.history[name], whole.history[name])
    with pytest.raises(ValueError, match="num_steps=8; accepted: more than the 8 steps that are done already"):
        fit(key, gaussian_entry(), data, 8, start=half, **ONE)
    with pytest.raises(ValueError, match="accepted: a fit that was interrupted"):
        fit(key, gaussian_entry(), data, 30, start=whole, **ONE)


def test_the_arrays_that_a_fit_starts_from_are_not_consumed(gaussian_entry, data, key):
    first = fit(key, gaussian_entry(), data, 2, **ONE)
    fit(key, gaussian_entry(), data, 2, start=(first.params, first.aux), **ONE)
    assert np.isfinite(first.params["loc"]).all()


def test_a_second_interrupt_is_raised_at_once():
    with pytest.raises(KeyboardInterrupt), deferred_interrupt() as interrupt:  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        assert interrupt.requested
        signal.raise_signal(signal.SIGINT)


def test_prepared_batches_equal_a_loop_by_hand(data, key):
    entry = zoo.build("ot_cfm", (2,), width=8, depth=1)
    fitted = fit(key, entry, data, 6, steps_per_chunk=4, devices=jax.devices()[:1], **ONE)
    state, losses = by_hand(key, entry, data, 6)
    np.testing.assert_allclose(fitted.history["loss"], losses, rtol=1e-4)
    equal(fitted.params, state.ema, rtol=1e-4, atol=1e-6)


def test_batches_are_prepared_only_where_they_are_read(gaussian_entry, data, key):
    """The loss reads `z` in the first 5 of 9 steps; later ones get the `z` of one more batch, or of two where both threads begin at once."""
    calls = []

    def prepare(key, batch):
        calls.append(1)
        return batch._replace(z=2 * batch.x)

    def wrap(loss):
        def reads(params, aux, key, batch, clock):
            x = batch.x if batch.z is None else jnp.where(clock.step < 5, batch.z, batch.x)
            return loss(params, aux, key, Batch(x), clock)

        return reads

    entry = gaussian_entry(wrap, prepare=prepare, schedule=Schedule(prepare_until=0.5))
    fitted = fit(key, entry, data, 9, steps_per_chunk=4, devices=jax.devices()[:1], **ONE)
    assert 6 <= len(calls) <= 7
    _, losses = by_hand(key, entry, data, 9)
    np.testing.assert_allclose(fitted.history["loss"], losses, rtol=1e-5)


def test_early_stopping_returns_the_best(gaussian_entry, data, key):
    """Held-out data on the other side: the longer the training, the worse."""
    fitted = fit(key, gaussian_entry(), data, 200, valid=-4 * data, eval_every=4, patience=3, steps_per_chunk=2, ema=0.0, **ONE)
    valid = fitted.history["valid_loss"]
    assert fitted.status == "early stop" and len(valid) == np.argmin(valid) + 4
    assert fitted.history["num_steps"] == fitted.history["valid_step"][-1] == 4 * len(valid) < 200
    best, _ = by_hand(key, gaussian_entry(), data, 200, run=int(fitted.history["valid_step"][np.argmin(valid)]), ema=0.0)
    equal(fitted.params, best.ema, rtol=1e-4, atol=1e-6)


def test_a_validation_loss_that_is_not_a_number_is_never_the_best(gaussian_entry, data, key, monkeypatch):
    """Losses 3, NaN, 2, 2.5, 2.6: the best is the average after the third step, and patience 2 counts from there."""
    losses = iter([3.0, np.nan, 2.0, 2.5, 2.6, 1.0])
    monkeypatch.setattr(fit_module, "validator", lambda *a: Validator(lambda params, aux: next(losses), 1))
    fitted = fit(key, gaussian_entry(), data, 20, valid=data, eval_every=1, patience=2, steps_per_chunk=1, ema=0.5, **ONE)
    assert fitted.status == "early stop" and len(fitted.history["valid_loss"]) == 5
    best, _ = by_hand(key, gaussian_entry(), data, 20, run=3, ema=0.5)
    equal(fitted.params, best.ema, rtol=1e-4, atol=1e-6)


def test_held_out_losses_of_an_early_stage_do_not_count(gaussian_entry, data, key, monkeypatch):
    """Losses 1, 1.5, 3, 2, 2.5, 2.6, the first two in the quarter that does not count: the best is the fourth, and patience 2 counts from it."""
    losses = iter([1.0, 1.5, 3.0, 2.0, 2.5, 2.6, 0.5])
    monkeypatch.setattr(fit_module, "validator", lambda *a: Validator(lambda params, aux: next(losses), 1))
    entry = gaussian_entry(schedule=Schedule(judge_from=0.25))
    fitted = fit(key, entry, data, 10, valid=data, eval_every=1, patience=2, steps_per_chunk=1, ema=0.0, **ONE)
    assert fitted.status == "early stop" and len(fitted.history["valid_loss"]) == 6
    best, _ = by_hand(key, entry, data, 10, run=4, ema=0.0)
    equal(fitted.params, best.ema, rtol=1e-4, atol=1e-6)


def test_without_patience_the_best_is_returned_all_the_same(gaussian_entry, data, key):
    """Held-out data where the model starts: the first look, by default after five steps, is the best, and training goes on to its end."""
    fitted = fit(key, gaussian_entry(), data, 24, valid=0 * data[:10], ema=0.0, **ONE)
    np.testing.assert_array_equal(fitted.history["valid_step"], [5, 10, 15, 20, 24])
    assert fitted.status == "finished" and np.argmin(fitted.history["valid_loss"]) == 0
    best, _ = by_hand(key, gaussian_entry(), data, 24, run=5, ema=0.0)
    equal(fitted.params, best.ema, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("host_work", [False, True])
def test_validation_is_taken_at_its_step_whatever_the_chunks(host_work, gaussian_entry, data, key):
    """Ten steps in chunks of at most three, looked at after 4 and 8: the chunks end at 3, 4, 7, 8 and 10, and nothing else changes."""
    prepare = (lambda key, batch: batch) if host_work else None
    whole, cut = (
        fit(key, gaussian_entry(prepare=prepare), data, 10, valid=data, eval_every=n, steps_per_chunk=k, devices=jax.devices()[:1], **ONE)
        for n, k in ((100, 100), (4, 3))
    )
    np.testing.assert_array_equal(cut.history["valid_step"], [4, 8, 10])
    np.testing.assert_allclose(cut.history["loss"], whole.history["loss"], rtol=1e-6)
    np.testing.assert_allclose(cut.history["valid_loss"][-1], whole.history["valid_loss"][-1], rtol=1e-6)
    at_eight, _ = by_hand(key, gaussian_entry(prepare=prepare), data, 10, run=8)
    end = Clock(jnp.int32(10), jnp.int32(10), at_eight.ema)
    loss = gaussian_entry().objective.loss(at_eight.ema, (), key, Batch(data), end)[0]
    np.testing.assert_allclose(cut.history["valid_loss"][1], loss, rtol=1e-5)


def test_finishing_is_given_the_average_and_all_data(gaussian_entry, data, key):
    given = {}

    def finish(params, aux, all_data):
        given["params"], given["data"] = params, all_data
        return {**params, "loc": jnp.full(2, 9.0)}

    fitted = fit(key, gaussian_entry(finish=finish), data, 12, **ONE)
    equal(given["params"], fit(key, gaussian_entry(), data, 12, **ONE).params, rtol=0)
    np.testing.assert_array_equal(given["data"].x, data)
    np.testing.assert_array_equal(fitted.params["loc"], [9, 9])


def test_conditions_are_trained_with_their_events(key):
    cond = np.random.default_rng(0).standard_normal((200, 1)).astype(np.float32)
    entry = zoo.build("realnvp", (1,), (1,), width=8, depth=1, num_layers=1, learning_rate=0.03)
    fitted = fit(key, entry, 3 * cond + 0.1, 150, cond=cond, valid=3 * cond, valid_cond=cond, batch_size=64, ema=0.9, progress=False)
    assert fitted.history["loss"][-1] < fitted.history["loss"][0] - 1


def test_state_without_gradients_is_updated(gaussian_entry, data, key):
    entry = gaussian_entry(
        init=lambda key, params, batch: (params, {"count": jnp.zeros(())}),
        update=lambda params, aux, key, batch, clock: {"count": aux["count"] + (clock.step < 3)},
    )
    fitted = fit(key, entry, data, 5, **ONE)
    assert float(fitted.aux["count"]) == 3


@pytest.mark.parametrize("wrap", [None, nan_at(10)])
def test_steps_beyond_the_last_do_nothing_and_are_not_judged(wrap, gaussian_entry, data, key):
    """Three chunks of 4 steps for 10: the state stands at step 10, and a loss that is NaN from there on is no divergence."""
    entry = gaussian_entry(
        wrap,
        init=lambda key, params, batch: (params, {"count": jnp.zeros(())}),
        update=lambda params, aux, key, batch, clock: {"count": aux["count"] + 1},
    )
    fitted = fit(key, entry, data, 10, steps_per_chunk=4, **ONE)
    assert float(fitted.aux["count"]) == fitted.history["num_steps"] == len(fitted.history["loss"]) == 10


def test_the_loss_is_traced_once_for_all_chunks_and_once_for_validation(gaussian_entry, data, key):
    def times(most):
        chex.clear_trace_counter()
        return gaussian_entry(lambda loss: chex.assert_max_traces(loss, most))

    fit(key, times(1), data, 12, steps_per_chunk=4, **ONE)
    fit(key, times(2), data, 12, steps_per_chunk=4, valid=data, eval_every=4, **ONE)
    with pytest.raises(AssertionError, match="traced"):
        fit(key, times(1), data, 12, steps_per_chunk=4, valid=data, eval_every=4, **ONE)


@pytest.mark.parametrize("prepare", [None, lambda key, batch: batch._replace(z=np.zeros_like(batch.x))])
def test_a_further_fit_of_an_entry_traces_nothing(prepare, gaussian_entry, data, key):
    """By another key and on other data; a longer fit is another program, whose learning rate falls otherwise."""
    calls = []

    def counted(function):
        return lambda *args: (calls.append(1), function(*args))[1]

    entry = gaussian_entry(counted, init=counted(lambda key, params, batch: (params, ())), prepare=prepare)
    options = {**ONE, "valid": data, "eval_every": 4}
    first = fit(key, entry, data, 8, **options)
    traced = len(calls)
    second = fit(jax.random.fold_in(key, 1), entry, data + 1, 8, **options)
    assert len(calls) == traced > 0
    assert not np.array_equal(first.params["loc"], second.params["loc"])
    fit(key, entry, data, 9, **options)
    assert len(calls) > traced


def test_integers_of_numpy_are_integers(gaussian_entry, data, key):
    number, numpy = ({"num_steps": t(4), "batch_size": t(8), "steps_per_chunk": t(2), "eval_every": t(2)} for t in (int, np.int64))
    first, second = (fit(key, gaussian_entry(), data, valid=data, progress=False, **n) for n in (number, numpy))
    equal(first.params, second.params, rtol=0)
    np.testing.assert_array_equal(first.history["valid_step"], second.history["valid_step"])


def test_a_fit_that_was_compiled_traces_nothing(gaussian_entry, data, key):
    """By any key; in another thread too, as a comparison compiles its next model."""
    calls = []
    entry = gaussian_entry(lambda loss: lambda *args: (calls.append(1), loss(*args))[1])
    with ThreadPoolExecutor(1) as other:
        assert other.submit(compile_fit, 7, entry, data, 8, batch_size=8).result() > 0
    traced = len(calls)
    fitted = fit(key, entry, data, 8, batch_size=8)
    assert len(calls) == traced > 0
    fresh = fit(key, gaussian_entry(), data, 8, batch_size=8)
    equal(fitted.params, fresh.params, rtol=0)
