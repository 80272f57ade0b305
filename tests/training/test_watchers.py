"""Whoever watches a training is told its steps; TensorBoard and Weights & Biases are imported only by who asks for them."""

import sys
import types

import jax
import numpy as np
import pytest

import jaxgen
from jaxgen.training import tensorboard, wandb


@pytest.fixture(scope="module")
def watched():
    entry, x, seen = jaxgen.zoo.build("cfm", (2,), width=8), np.random.default_rng(0).standard_normal((64, 2)), []
    fit = lambda **options: jaxgen.fit(
        jax.random.key(0), entry, x, num_steps=12, batch_size=8, valid=x[:16], eval_every=6, steps_per_chunk=4, **options
    )
    return fit(watch=lambda step, metrics: seen.append((step, metrics))), seen, fit


def test_a_watcher_is_told_what_the_history_holds(watched):
    fitted, seen, _ = watched
    steps, history = [step for step, _ in seen], fitted.history
    assert steps == sorted(set(steps)) and steps[-1] == 12
    for step, metrics in seen:
        assert metrics["loss"] == pytest.approx(float(history["loss"][step - 1]))
    judged = {step: metrics["valid_loss"] for step, metrics in seen if "valid_loss" in metrics}
    assert judged == pytest.approx(dict(zip(history["valid_step"].tolist(), history["valid_loss"].tolist(), strict=True)))


def test_watching_changes_nothing(watched):
    fitted, _, fit = watched
    assert jax.tree.all(jax.tree.map(np.array_equal, fitted.params, fit().params))


def test_what_cannot_watch_is_refused(watched):
    with pytest.raises(ValueError, match="fit: watch=<str>; accepted: a function of a step and its metrics"):
        watched[2](watch="tensorboard")


@pytest.mark.parametrize(("make", "library", "extra"), [(tensorboard, "tensorboardX", "tensorboard"), (wandb, "wandb", "wandb")])
def test_without_the_library_the_extra_is_named(make, library, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(jaxgen.data.MissingExtra, match=rf"{library} is not installed; accepted: .*jaxgen\[{extra}\]"):
        make("folder") if extra == "tensorboard" else make()


def test_each_library_is_called_as_it_is_documented(monkeypatch):
    calls = []

    class SummaryWriter:
        def __init__(self, folder):
            calls.append(folder)

        def add_scalar(self, name, value, step):
            calls.append((name, value, step))

        def flush(self):
            calls.append("flush")

    run = types.SimpleNamespace(log=lambda metrics, step: calls.append((metrics, step)))
    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=SummaryWriter))
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=lambda **options: calls.append(options) or run))
    tensorboard("runs")(3, {"loss": 1.0})
    wandb(project="moons")(3, {"loss": 1.0})
    assert calls == ["runs", ("loss", 1.0, 3), "flush", {"project": "moons"}, ({"loss": 1.0}, 3)]
