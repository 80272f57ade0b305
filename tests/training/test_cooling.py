"""A training that stops early cools down from its best params, also where it was interrupted on the way, and only if its optimiser can."""

import contextlib
import os
import signal
import sys

import jax
import numpy as np
import pytest

import jaxgen
from jaxgen.training import cooling
from jaxgen.training.optimizers import adam
from jaxgen.training.verdict import verdict

MODEL = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.triangular_affine())
OBJECTIVE = jaxgen.objectives.maximum_likelihood(MODEL)
COOLS, STOPS = (jaxgen.Entry(MODEL, OBJECTIVE, adam(0.1, cools=cools)) for cools in (True, False))
DATA = np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32)
# Held-out rows on the other side: the longer the training, the worse.
OPTIONS = {"valid": 3 - DATA, "eval_every": 10, "patience": 3, "batch_size": 16, "ema": 0.5, "progress": False, "devices": jax.devices()[:1]}


@pytest.fixture(scope="module")
def pair():
    return {entry is COOLS: jaxgen.fit(0, entry, DATA, 400, **OPTIONS) for entry in (COOLS, STOPS)}


def test_the_training_is_the_same_until_it_would_stop(pair):
    cooled, stopped = (pair[cools].history["valid_loss"] for cools in (True, False))
    np.testing.assert_array_equal(cooled[: len(stopped)], stopped)
    assert pair[True].status == pair[False].status == "early stop"


def test_it_goes_on_for_half_as_many_steps_as_led_to_the_best_params(pair):
    steps, stopped = pair[True].history["valid_step"], pair[False].history
    best = int(stopped["valid_step"][np.argmin(stopped["valid_loss"])])
    assert pair[True].history["num_steps"] == steps[-1] == stopped["num_steps"] + cooling.length_for(best, stopped["num_steps"], 400)
    assert len(steps) == len(stopped["valid_step"]) + cooling.NUM_LOOKS
    assert min(pair[True].history["valid_loss"]) <= min(stopped["valid_loss"])


def test_a_training_interrupted_on_the_way_ends_the_same(pair):
    middle = int(pair[True].history["valid_step"][-3])

    class Interrupting:
        def update(self, done, metrics):
            if done == middle:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["jaxgen.training.fit"], "progress_bar", lambda *a: contextlib.nullcontext(Interrupting()))
        half = jaxgen.fit(0, COOLS, DATA, 400, **OPTIONS)
    assert half.status == "interrupted" and half.history["num_steps"] == middle
    gone_on = jaxgen.fit(0, COOLS, DATA, 400, start=half, **OPTIONS)
    assert gone_on.status == "early stop" and gone_on.history["num_steps"] == pair[True].history["num_steps"]
    jax.tree.map(np.testing.assert_array_equal, gone_on.params, pair[True].params)
    np.testing.assert_array_equal(gone_on.history["valid_loss"], pair[True].history["valid_loss"])


@pytest.mark.parametrize("shard", ["replicated", "fsdp"])
def test_on_a_mesh_it_ends_as_without_one(pair, shard):
    """Params, their average and the best params, which are equal when the cooling begins, are three copies: a step gives its own away."""
    options = {name: value for name, value in OPTIONS.items() if name != "devices"}
    meshed = jaxgen.fit(0, COOLS, DATA, 400, mesh=jax.make_mesh((2,), ("data",)), shard=shard, **options)
    assert meshed.status == "early stop" and meshed.history["num_steps"] == pair[True].history["num_steps"]
    np.testing.assert_allclose(meshed.history["valid_loss"], pair[True].history["valid_loss"], rtol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), meshed.params, pair[True].params)


def test_the_rate_is_zero_at_the_end_and_whole_before():
    transformation = adam(0.1, cools=True)(100)
    params = {"a": np.ones(2, np.float32)}
    state = cooling.begun(transformation.init(params), 10, 5)
    assert cooling.end_of(state) == 15 and cooling.end_of(transformation.init(params)) is None
    assert cooling.found(adam(0.1)(100).init(params)) is None


def test_what_overfitted_before_it_cooled_is_said_to_overfit():
    losses = np.array([3.0, 1.0, *[2.0] * 11, 0.9])
    found = verdict({"valid_loss": losses, "valid_step": np.arange(1, 15)})
    assert found == (0.9, 2, True)
