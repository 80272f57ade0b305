"""`fit`: the training loop of every family. A state advances chunk by chunk, and the host sees the metrics of whole chunks."""

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.compiled import once
from jaxgen.training.checked import Rows, checked_batches
from jaxgen.training.chunk import Chunk, Plan, make_chunk
from jaxgen.training.entry import Entry
from jaxgen.training.history import EarlyStopping, History, history_of
from jaxgen.training.interrupt import deferred_interrupt
from jaxgen.training.looks import end_of_chunk, look_steps
from jaxgen.training.progress import progress_bar
from jaxgen.training.step import State, init_state, resumed, start_from
from jaxgen.training.validation import Validator, validator
from jaxgen.types import Aux, Key, Params, PyTree


class Fitted(NamedTuple):
    """Hold the result of `fit`.

    Attributes:
        params: What `jaxgen.sample` and `jaxgen.log_prob` take: the moving average of the trained params. With `valid` it is the moving
            average that had the best validation loss.
        aux: The trained auxiliaries, which sampling does not need.
        history: Arrays by name: one value per step of "loss", of "gradient_norm" and of the objective's metrics, and the validation losses
            "valid_loss" at the steps "valid_step". It also holds the numbers "compile_seconds", "train_seconds" and "num_steps".
        status: "finished", "early stop", "interrupted" or, in the error `TrainingDiverged`, "diverged".
        state: The state of an interrupted fit, its optimiser included, from which `fit(start=fitted)` goes on; None for any other.
    """

    params: Params
    aux: Aux
    history: dict[str, PyTree]
    status: str = "finished"
    state: State | None = None


class TrainingDiverged(FloatingPointError):
    """Report a loss or gradient that is not finite.

    Args:
        step: The number of good steps before it.
        metrics: The metrics of the last good step, by name.
        fitted: The params and history of the good steps.
    """

    def __init__(self, step: int, metrics: dict[str, float], fitted: Fitted) -> None:
        shown = ", ".join(f"{name}={value:.4g}" for name, value in metrics.items()) or "none"
        super().__init__(
            f"loss or gradient is not finite at step {step}; last finite metrics: {shown}. The parameters before that step are in "
            "the error's `fitted`. A smaller learning rate or standardised data usually mends it."
        )
        self.step, self.metrics, self.fitted = step, metrics, fitted


class Run(NamedTuple):
    """Say where a fit stands; `_advance` takes it one chunk further, and resuming a fit loads it.

    Attributes:
        state: The training state on the devices.
        history: What has been measured so far.
        best: The params with the best validation loss so far on the host, or None while no validation loss has counted.
        status: "running", or how the fit has ended.
    """

    state: State
    history: History = History()
    best: Params | None = None
    status: str = "running"

    def done(self) -> int:
        """Return the number of steps done."""
        return int(self.state.step)


class _Loop(NamedTuple):
    """What `_advance` needs and does not change."""

    chunk: Chunk
    num_steps: int
    longest: int
    validator: Validator | None
    looks: Sequence[int]
    stopping: EarlyStopping


def fit(
    key: Key,
    entry: Entry,
    data: ArrayLike | None,
    num_steps: int,
    *,
    cond: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    valid_cond: ArrayLike | None = None,
    batch_size: int = 256,
    ema: float = 0.999,
    eval_every: int | None = None,
    patience: int | None = None,
    steps_per_chunk: int = 100,
    devices: Sequence[Any] | None = None,
    start: tuple[Params, Aux] | Fitted | None = None,
    progress: bool | None = None,
) -> Fitted:
    """Train the params of an entry's model on data, by the entry's objective and optimiser.

    An interrupt (Ctrl-C) ends the training after the steps in flight and returns what is done.

    Args:
        key: A random key; the same key and arguments give the same result.
        entry: A model with the objective and the optimiser that train it, from `jaxgen.zoo.build` or made by hand.
        data: Events `(n, *event)`; None for an objective that is `data_free`, such as `reverse_kl`.
        num_steps: The number of training steps.
        cond: Conditions `(n, *cond)`, one for each event; None for a model without conditions.
        valid: Held-out events `(m, *event)`; the params with the best loss on them are returned. None takes no validation loss and
            returns the last params. An objective whose loss does not say how good a model is, such as a game, is judged by its `judge`.
        valid_cond: The conditions `(m, *cond)` of `valid`.
        batch_size: The number of events in a batch, drawn with replacement; for a `data_free` objective the number of draws.
        ema: The decay of the moving average of the params that is returned, from 0 to below 1.
        eval_every: The number of steps between validation losses; None takes them on a geometric grid of steps, each a tenth further
            than the one before it.
        patience: Stop after this many validation losses in a row without a better one. The losses that come before the last stage of the
            objective do not count. None never stops.
        steps_per_chunk: The most steps that run as one program before the host sees their metrics.
        devices: The devices over which each batch is split; None takes all that are present.
        start: `(params, aux)` to begin from instead of a fresh initialisation; or an interrupted `Fitted` to go on from, which, given the
            same key, data and arguments, ends as if it had not been interrupted.
        progress: True shows a progress bar on a terminal and lines elsewhere, None the bar on a terminal only, False nothing.

    Returns:
        The trained params and auxiliaries, the history of the training and how it ended.

    Raises:
        ValueError: An argument has a shape, dtype or value that the model or the training cannot take.
        TrainingDiverged: The loss or a gradient is no longer finite.

    >>> import jax, jaxgen
    >>> entry = jaxgen.zoo.build("cfm", event_shape=(2,), width=8)
    >>> fitted = jaxgen.fit(jax.random.key(0), entry, jax.random.normal(jax.random.key(1), (64, 2)), num_steps=4, batch_size=8)
    >>> fitted.status, fitted.history["loss"].shape
    ('finished', (4,))
    """
    checks.key("fit: key", key)
    optional = {"eval_every": eval_every, "patience": patience}
    checks.counts("fit", num_steps=num_steps, batch_size=batch_size, steps_per_chunk=steps_per_chunk)
    checks.counts("fit", **{name: value for name, value in optional.items() if value is not None})
    checks.number("fit: ema", ema, least=0, below=1)
    if patience is not None and valid is None:
        raise ValueError(f"fit: patience={patience}; accepted: None, or a number together with valid=, whose loss decides when to stop.")
    batch, held_out = checked_batches(entry, Rows("data", data, "cond", cond), Rows("valid", valid, "valid_cond", valid_cond))
    key_init, key_run, _ = jax.random.split(key, 3)
    fresh = once(lambda k, b: init_state(k, entry, b, num_steps), key_init, jax.tree.map(lambda a: a[:batch_size], batch))
    stopping = EarlyStopping(patience, math.ceil(entry.objective.schedule.judge_from * num_steps))
    run = _begin(fresh, entry, start, num_steps, stopping)
    plan = Plan(num_steps, batch_size, ema, steps_per_chunk)
    chunk = make_chunk(entry, run.state, batch, key_run, plan, devices)
    judged = None if held_out is None else validator(entry, held_out, num_steps, (run.state.params, run.state.aux))
    looks = (num_steps,) if judged is None else look_steps(num_steps, eval_every, num_events=judged.num_events, batch_size=batch_size)
    loop = _Loop(chunk, num_steps, plan.chunk_length(), judged, looks, stopping)
    seconds_before = start.history.get("train_seconds", 0.0) if isinstance(start, Fitted) else 0.0
    began = time.perf_counter()
    run = run._replace(state=chunk.state)
    with progress_bar(num_steps, progress) as bar, deferred_interrupt() as interrupt:
        while run.status == "running":
            run = _advance(loop, run)
            bar.update(run.done(), run.history.last())
            if interrupt.requested and run.status == "running":
                run = run._replace(status="interrupted")
    fitted = _result(run, chunk.compile_seconds, seconds_before + time.perf_counter() - began)
    if run.status == "diverged":
        raise TrainingDiverged(run.done(), run.history.last(), fitted)
    if entry.objective.finish is not None:
        fitted = fitted._replace(params=entry.objective.finish(fitted.params, fitted.aux, batch))
    return fitted


def _begin(fresh: State, entry: Entry, start: tuple[Params, Aux] | Fitted | None, num_steps: int, stopping: EarlyStopping) -> Run:
    """Return a run before its first step, or the one in which an interrupted fit stood."""
    if start is None:
        return Run(fresh)
    if not isinstance(start, Fitted):
        return Run(start_from(fresh, entry, start, num_steps))
    history = history_of(start.history)
    best = jax.device_get(start.params) if stopping.has_best(history) else None
    return Run(resumed(fresh, start.state, num_steps), history, best)


def _advance(loop: _Loop, run: Run) -> Run:
    """Train one chunk and take the validation loss if it is due."""
    before = run.done()
    state, metrics = loop.chunk.run(run.state, before, end_of_chunk(before, loop.longest, loop.looks))
    ok = metrics["ok"]
    num_good = len(ok) if ok.all() else int(np.argmin(ok))
    history = run.history.with_chunk({name: values[:num_good] for name, values in metrics.items() if name != "ok"})
    run, done = run._replace(state=state, history=history), before + num_good
    if num_good < len(ok):
        return run._replace(status="diverged")
    if loop.validator is not None and done in loop.looks:
        run = run._replace(history=history.with_validation(done, float(loop.validator.loss(state.ema, state.aux))))
        if loop.stopping.is_best(run.history):
            run = run._replace(best=jax.device_get(state.ema))
        if loop.stopping.stops(run.history):
            return run._replace(status="early stop")
    return run._replace(status="finished") if done == loop.num_steps else run


def _result(run: Run, compile_seconds: float, train_seconds: float) -> Fitted:
    best = run.best if run.best is not None and run.status != "diverged" else run.state.ema
    params, aux = _copied((best, run.state.aux))
    numbers = {"compile_seconds": compile_seconds, "train_seconds": train_seconds, "num_steps": run.done()}
    state = _copied(run.state) if run.status == "interrupted" else None
    return Fitted(params, aux, {**run.history.arrays(), **numbers}, run.status, state)


def _copied(tree: PyTree) -> PyTree:
    """Return copies on the default device: training's own buffers are spread over the mesh."""
    return jax.tree.map(jnp.asarray, jax.device_get(tree))
