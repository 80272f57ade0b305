"""`fit`: the training loop of every family. A state advances chunk by chunk, and the host sees the metrics of whole chunks."""

import functools
import math
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.meshes import to_host
from jaxgen.objective import Batch
from jaxgen.training import cooling
from jaxgen.training.checked import Rows, checked_batches
from jaxgen.training.chunk import Chunk, Plan
from jaxgen.training.decay import suited
from jaxgen.training.diagnosis import Diagnosis, Failed, diagnose
from jaxgen.training.entry import Entry
from jaxgen.training.fitted import Fitted, TrainingDiverged
from jaxgen.training.history import EarlyStopping, History, history_of
from jaxgen.training.interrupt import deferred_interrupt
from jaxgen.training.looks import end_of_chunk, look_steps
from jaxgen.training.pace import longest_chunk
from jaxgen.training.placement import Placement, on_one_device, placement
from jaxgen.training.progress import progress_bar
from jaxgen.training.run_folder import fitted_of, read_run
from jaxgen.training.saving import Saver, Saving, saver_of, saving_of
from jaxgen.training.seeds import check_seeds, fit_seeds
from jaxgen.training.sharding import Shard
from jaxgen.training.step import State, batch_at, init_state, resumed, rows_at, start_from
from jaxgen.training.validation import Validator, validator
from jaxgen.training.watchers import Watch
from jaxgen.training.within import within
from jaxgen.types import Aux, Key, Params, PyTree


class Run(NamedTuple):
    """Say where a fit stands; `_advance` takes it one chunk further, and resuming a fit loads it.

    Attributes:
        state: The training state on the devices.
        history: What has been measured so far.
        best: The params with the best validation loss so far, or None while no validation loss has counted.
        status: "running", or how the fit has ended.
        longest: The most steps of the next chunk, so that an interrupt does not wait long.
        end: The step at which a training that cools down ends; None before that.
    """

    state: State
    history: History = History()
    best: Params | None = None
    status: str = "running"
    longest: int = 1
    end: int | None = None

    def done(self) -> int:
        """Return the number of steps done."""
        return int(self.state.step)


class _Loop(NamedTuple):
    """What `_advance` needs and does not change."""

    where: Placement
    chunk: Chunk
    num_steps: int
    most: int
    validator: Validator | None
    looks: Sequence[int]
    stopping: EarlyStopping


def fit(
    key: Key | int,
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
    mesh: Mesh | None = None,
    shard: Shard = "replicated",
    start: tuple[Params, Aux] | Fitted | str | Path | None = None,
    saving: Saving | str | Path | None = None,
    seeds: int | None = None,
    minutes: float | None = None,
    progress: bool | None = None,
    watch: Watch | None = None,
) -> Fitted:
    """Train the params of an entry's model on data, by the entry's objective and optimiser.

    An interrupt (Ctrl-C, or SIGTERM) ends the training after the steps in flight, within seconds, and returns what is done.

    Args:
        key: A random key, or an integer seed; the same key and arguments give the same result.
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
            objective do not count. None never stops. With an optimiser that `cools`, as that of a normalizing flow of the zoo, the learning
            rate falls to zero from the best params on before the training stops, over half as many steps as led to them.
        steps_per_chunk: The most steps that run as one program before the host sees their metrics.
        devices: The devices over which each batch is split; None takes all of this process.
        mesh: A mesh, such as `jax.make_mesh((8,), ("data",))`, over whose axis "data" (or its first axis) the batches of any objective are
            split; `batch_size` has to divide by its size. It may hold the devices of all processes, which then call `fit` with the same
            arguments, decide together, and save from the first. The params that are returned lie on it. None uses `devices`.
        shard: How the state lies on the mesh: "replicated" on every device, "fsdp" split over the axis of the batches, or a function, as
            `jaxgen.training.state_sharding` takes it. What is trained does not depend on it beyond rounding.
        start: `(params, aux)` to begin from instead of a fresh initialisation; or an interrupted `Fitted` to go on from, which, given the
            same key, data and arguments, ends as if it had not been interrupted. A path goes on from the newest whole save in that folder.
        saving: A folder into which the fit is saved every 60 seconds and at its end, or a `Saving` that says how and how often. A fit that
            was killed goes on from there, on any number of devices. A folder that holds another run is refused. None saves nothing.
        seeds: Train this many seeds in one program, as `fit_seeds` does with `jax.random.split(key, seeds)`: params, aux and arrays of the
            history then have a leading axis of seeds, and `jaxgen.training.one_seed(fitted, i)` takes one of them. It goes with neither
            validation nor `start` nor `saving`. None trains one seed.
        minutes: The most minutes that training may take, compilation and validation not counted: if a few steps, measured beforehand, show
            that `num_steps` would take longer, training has as many as fit. None takes `num_steps`, and only then does the result not
            depend on how fast the machine is. An interrupted fit keeps its number of steps.
        progress: True shows a progress bar on a terminal and lines elsewhere, None the bar on a terminal only, False nothing. What is trained,
            its size and the time that it will take are shown first.
        watch: A function `(step, metrics)` that is told the last step of each chunk on the way, such as `jaxgen.training.tensorboard(folder)` or
            `jaxgen.training.wandb(project=...)`; None tells nobody. The history and the run folder hold all steps either way.

    Returns:
        The trained params and auxiliaries, the history of the training and how it ended.

    Raises:
        ValueError: An argument has a shape, dtype or value that the model or the training cannot take.
        TrainingDiverged: The loss or a gradient is no longer finite.
        OSError: The result cannot be saved; the saves before it are whole.

    >>> import jax, jaxgen
    >>> entry = jaxgen.zoo.build("cfm", event_shape=(2,), width=8)
    >>> fitted = jaxgen.fit(jax.random.key(0), entry, jax.random.normal(jax.random.key(1), (64, 2)), num_steps=4, batch_size=8)
    >>> fitted.status, fitted.history["loss"].shape
    ('finished', (4,))
    """
    key = checks.key("fit: key", key)
    if seeds is not None:
        alone = {"eval_every": eval_every, "patience": patience, "start": start, "saving": saving, "minutes": minutes, "mesh": mesh, "watch": watch}
        check_seeds(seeds, valid=valid, valid_cond=valid_cond, **alone)
        shared = {"cond": cond, "batch_size": batch_size, "ema": ema, "steps_per_chunk": steps_per_chunk, "devices": devices}
        return fit_seeds(jax.random.split(key, seeds), entry, data, num_steps, **shared, progress=progress)
    optional = {"eval_every": eval_every, "patience": patience}
    checks.counts("fit", num_steps=num_steps, batch_size=batch_size, steps_per_chunk=steps_per_chunk)
    checks.counts("fit", **{name: value for name, value in optional.items() if value is not None})
    checks.number("fit: ema", ema, least=0, below=1)
    if minutes is not None:
        checks.number("fit: minutes", minutes, above=0)
    if watch is not None and not callable(watch):
        raise ValueError(f"fit: watch=<{type(watch).__name__}>; accepted: a function of a step and its metrics, or None.")
    if patience is not None and valid is None:
        raise ValueError(f"fit: patience={patience}; accepted: None, or a number together with valid=, whose loss decides when to stop.")
    where, saves = placement(devices, mesh, shard, batch_size), saving is not None
    saving = _saving(where, saving, entry, start)
    batch, held_out = checked_batches(entry, Rows("data", data, "cond", cond), Rows("valid", valid, "valid_cond", valid_cond))
    where.require_same(key=key, data=batch, valid=held_out)
    entry = entry if held_out is None else suited(entry, batch.x.shape[0], batch.cond is not None)
    key_init, key_run, _ = jax.random.split(key, 3)
    fresh = where.born(_first_state(entry, num_steps), key_init, jax.tree.map(lambda a: a[:batch_size], batch))
    origin = _loaded(start, fresh)
    run = _begin(fresh, entry, origin, key, num_steps)
    where.require_same(start=run.state.step)
    if isinstance(origin, Fitted) and minutes is not None:
        # As if it had not been interrupted: the number of steps that fitted then.
        num_steps, minutes = origin.history.get("planned_steps", num_steps), None
    begun = where.placed(run.state)
    make = lambda plan: where.chunk(entry, begun, batch, key_run, plan)
    plan, chunk = within(minutes, Plan(num_steps, batch_size, ema, steps_per_chunk), run.done(), make, where.agreed)
    num_steps = plan.num_steps
    stopping = EarlyStopping(patience, math.ceil(entry.objective.schedule.judge_from * num_steps))
    run = run._replace(state=begun, best=_best(where, origin, stopping, begun), end=cooling.end_of(begun.opt_state))
    like = (chunk.state.params, chunk.state.aux)
    compiling = time.perf_counter()
    judged = None if held_out is None else validator(entry, held_out, num_steps, like, where.sharding)
    compile_seconds = chunk.compile_seconds + time.perf_counter() - compiling
    looks = (num_steps,) if judged is None else look_steps(num_steps, eval_every, num_events=judged.num_events, batch_size=batch_size)
    loop = _Loop(where, chunk, num_steps, plan.chunk_length(), judged, looks, stopping)
    seconds_before = origin.history.get("train_seconds", 0.0) if isinstance(origin, Fitted) else 0.0
    began, run = time.perf_counter(), run._replace(state=chunk.state)

    def result(copied: Callable[[PyTree], PyTree]) -> Fitted:
        seconds = {"compile_seconds": compile_seconds, "train_seconds": seconds_before + time.perf_counter() - began}
        return _result(copied, run, key, {**seconds, "planned_steps": num_steps})

    with deferred_interrupt() as interrupt, saver_of(saving, run.done()) as saver:
        with progress_bar(num_steps, progress if where.writes else False, _size(entry, run.state, batch_size)) as bar:
            while run.status == "running":
                run = _advance(loop, run)
                bar.update(run.done(), run.history.last())
                run = _judged(loop, run)
                if watch is not None and where.writes:
                    watch(run.done(), run.history.latest())
                if run.status == "running" and where.any(interrupt.requested):
                    run = run._replace(status="interrupted")
                elif saves and run.status == "running" and where.agreed(saver is not None and saver.due(run.done()))[0]:
                    # Copying what is spread over several processes takes all of them.
                    copies = result(to_host)
                    if saver is not None:
                        saver.begin(copies, run.done())
        fitted = result(where.result)
        if entry.objective.finish is not None and run.status != "diverged":
            fitted = fitted._replace(params=entry.objective.finish(fitted.params, fitted.aux, batch))
        if saves:
            _end(where, saver, fitted if where.sharding is None else to_host(fitted))
    if run.status == "diverged":
        diagnosis = _diagnosed(entry, run, batch, key_run, plan)
        raise TrainingDiverged(run.done(), run.history.last(), fitted, diagnosis)
    return fitted


def compile_fit(key: Key | int, entry: Entry, data: ArrayLike | None, num_steps: int, *, batch_size: int = 256) -> float:
    """Compile the training that `fit` of the same arguments runs, so that it begins at once.

    Another thread may do so while this one evaluates another model. The programs are kept for the fits of this very entry; those of an objective
    that prepares batches on the host, as optimal transport does, are not compiled, because preparing takes the cores.

    Args:
        key: As for `fit`.
        entry: As for `fit`.
        data: As for `fit`.
        num_steps: As for `fit`.
        batch_size: As for `fit`.

    Returns:
        The seconds that it took.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.triangular_affine())
    >>> entry = jaxgen.Entry(model, jaxgen.objectives.maximum_likelihood(model))
    >>> jaxgen.training.compile_fit(0, entry, jax.random.normal(jax.random.key(1), (64, 2)), 4, batch_size=8) > 0
    True
    """
    began, key = time.perf_counter(), checks.key("compile_fit: key", key)
    checks.counts("compile_fit", num_steps=num_steps, batch_size=batch_size)
    if entry.objective.prepare is not None:
        return 0.0
    where = placement(None, None, "replicated", batch_size)
    batch, _ = checked_batches(entry, Rows("data", data, "cond", None), Rows("valid", None, "valid_cond", None))
    key_init, key_run, _ = jax.random.split(key, 3)
    fresh = where.born(_first_state(entry, num_steps), key_init, jax.tree.map(lambda a: a[:batch_size], batch))
    where.chunk(entry, where.placed(fresh), batch, key_run, Plan(num_steps, batch_size, 0.999, 100))
    return time.perf_counter() - began


def _saving(where: Placement, saving: Saving | str | Path | None, entry: Entry, start: object) -> Saving | None:
    """Return how the first process saves, and None for the others. What it refuses, all of them refuse, so that none waits for it."""
    made, refused = None, None
    try:
        made = saving_of(saving, entry, start) if where.writes else None
    except ValueError as error:
        refused = error
    if where.any(refused is not None):
        raise refused or ValueError("fit: saving=what the first process cannot save to; accepted: a folder that it accepts.")
    return made


def _end(where: Placement, saver: Saver | None, fitted: Fitted) -> None:
    """Save the result from the first process; the others wait until it is whole."""
    failed = None
    try:
        if saver is not None:
            saver.end(fitted)
    except OSError as error:
        failed = error
    if where.any(failed is not None):
        raise failed or OSError("fit: the first process could not save the result; the saves before it are whole.")


@functools.lru_cache(maxsize=8)
def _first_state(entry: Entry, num_steps: int) -> Callable[[Key, Batch], State]:
    # One function for all fits of the entry: JAX compiles it once.
    return lambda key, batch: init_state(key, entry, batch, num_steps)


def _diagnosed(entry: Entry, run: Run, data: Batch, key: Key, plan: Plan) -> Diagnosis | None:
    """Run the step that failed once more, on one device, and say why; None if that fails in turn, because the divergence is the news."""
    step, prepare = run.done(), entry.objective.prepare
    try:
        batch, key_step = batch_at(key, step, data, plan.batch_size)
        rows = np.asarray(rows_at(key, step, data.x.shape[0], plan.batch_size)[0])
        if prepare is not None:
            batch = jax.tree.map(jnp.asarray, prepare(jax.random.fold_in(key_step, 2), jax.tree.map(np.asarray, batch)))
        losses = run.history.metrics().get("loss", np.zeros(0))
        return diagnose(entry, Failed(on_one_device(run.state), batch, rows, key_step, plan.num_steps, losses))
    except Exception as error:
        warnings.warn(f"fit: the step that failed could not be run again ({type(error).__name__}: {error}).", stacklevel=3)
        return None


def _loaded(start: tuple[Params, Aux] | Fitted | str | Path | None, fresh: State) -> tuple[Params, Aux] | Fitted | None:
    """Return `start`, or the fit that is saved in the folder `start`."""
    if not isinstance(start, str | Path):
        return start
    return fitted_of(read_run(start), {"params": fresh.params, "aux": fresh.aux, "state": fresh})


def _begin(fresh: State, entry: Entry, start: tuple[Params, Aux] | Fitted | None, key: Key, num_steps: int) -> Run:
    """Return a run before its first step, or the one in which an interrupted fit stood."""
    if start is None:
        return Run(fresh)
    if not isinstance(start, Fitted):
        return Run(start_from(fresh, entry, start, num_steps))
    if start.key is not None and not np.array_equal(jax.random.key_data(key), jax.random.key_data(start.key)):
        raise ValueError("fit: key=another than that of start; accepted: the key with which the interrupted fit began.")
    return Run(resumed(fresh, start.state, num_steps), history_of(start.history))


def _best(where: Placement, start: tuple[Params, Aux] | Fitted | None, stopping: EarlyStopping, state: State) -> Params | None:
    """Return the best params of an interrupted fit, laid as the moving average is, or None while no validation loss has counted."""
    if not isinstance(start, Fitted) or not stopping.has_best(history_of(start.history)):
        return None
    return where.placed(state._replace(ema=to_host(start.params))).ema


def _size(entry: Entry, state: State, batch_size: int) -> str:
    """Say what is trained and how large it is."""
    params, aux = (sum(leaf.size for leaf in jax.tree.leaves(tree)) for tree in (state.params, state.aux))
    dropped = f" and {aux:,} that sampling drops" if aux else ""
    return f"{entry.card.name}: {params:,} parameters{dropped}, batches of {batch_size}"


def _advance(loop: _Loop, run: Run) -> Run:
    """Train one chunk."""
    before = run.done()
    began, until = time.perf_counter(), end_of_chunk(before, run.longest, _looks(loop, run))
    state, metrics = loop.chunk.run(run.state, before, until)
    (seconds,) = loop.where.agreed(time.perf_counter() - began)
    longest = longest_chunk(until, loop.most, until - before, seconds)
    ok = metrics["ok"]
    num_good = len(ok) if ok.all() else int(np.argmin(ok))
    history = run.history.with_chunk({name: values[:num_good] for name, values in metrics.items() if name != "ok"})
    run = run._replace(state=state, history=history, longest=longest)
    return run._replace(status="diverged") if num_good < len(ok) else run


def _judged(loop: _Loop, run: Run) -> Run:
    """Take the validation loss if it is due, and say whether training has ended."""
    done = run.done()
    if run.status == "running" and loop.validator is not None and done in _looks(loop, run):
        (loss,) = loop.where.agreed(float(loop.validator.loss(run.state.ema, run.state.aux)))
        run = run._replace(history=run.history.with_validation(done, loss))
        if loop.stopping.is_best(run.history):
            run = run._replace(best=loop.where.kept(run.state.ema))
        if run.end is not None:
            return run._replace(status="early stop") if done == run.end else run
        if loop.stopping.stops(run.history):
            return _cooled(loop, run)
    return run._replace(status="finished") if run.status == "running" and done == loop.num_steps else run


def _looks(loop: _Loop, run: Run) -> Sequence[int]:
    part = cooling.found(run.state.opt_state) if run.end is not None else None
    return loop.looks if run.end is None or part is None else cooling.looks_until(run.end, int(part.length))


def _cooled(loop: _Loop, run: Run) -> Run:
    """Go back to the best params, from which the learning rate falls to zero; or stop, if the optimiser cannot or no step is left."""
    done, state = run.done(), run.state
    best = loop.stopping.best_step(run.history)
    length = cooling.length_for(best, done, loop.num_steps)
    if run.best is None or length < 1 or cooling.found(state.opt_state) is None or jax.tree.leaves(state.aux):
        return run._replace(status="early stop")
    params, average = (cooling.placed_like(run.best, like) for like in (state.params, state.ema))
    state = state._replace(params=params, ema=average, opt_state=cooling.begun(state.opt_state, done, length))
    return run._replace(state=state, end=done + length)


def _result(copied: Callable[[PyTree], PyTree], run: Run, key: Key, numbers: dict[str, float]) -> Fitted:
    best = run.best if run.best is not None and run.status != "diverged" else run.state.ema
    params, aux = copied((best, run.state.aux))
    resumable = run.status in ("running", "interrupted")
    state, key_to_go_on = (copied(run.state), key) if resumable else (None, None)
    return Fitted(params, aux, {**run.history.arrays(), **numbers, "num_steps": run.done()}, run.status, state, key_to_go_on)
