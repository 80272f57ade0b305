"""`fit`: K steps per scan, donated state, data on the devices, the batch split over them; the host sees a chunk's metrics only."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.compiled import once
from jaxgen.objective import Batch, Clock
from jaxgen.training.chunk import Chunk, make_chunk
from jaxgen.training.entry import Entry
from jaxgen.training.interrupt import deferred_interrupt
from jaxgen.training.progress import Progress, progress_bar
from jaxgen.training.step import State, check_ema, go_on_from, init_state, start_from


class Fitted(NamedTuple):
    """The result of `fit`.

    params:  what `jaxgen.sample` and `log_prob` take: the moving average of the trained params (the best by validation with `patience`).
    aux:     trained auxiliaries, not needed for sampling.
    history: arrays by name: one value per step of "loss" and the objective's metrics; "valid_step" and "valid_loss"; and the numbers
             "compile_seconds", "train_seconds", "num_steps".
    status:  "finished", "early stop" or "interrupted".
    state:   where an interrupted fit stood, optimiser included: what `fit(start=fitted)` goes on from. None otherwise.
    """

    params: Any
    aux: Any
    history: dict[str, Any]
    status: str = "finished"
    state: State | None = None


class TrainingDiverged(FloatingPointError):
    """A loss or gradient that is not finite. `step`, `metrics` (the last finite ones) and `fitted`, the last good parameters, are kept."""

    def __init__(self, step: int, metrics: dict[str, float], fitted: Fitted):
        shown = ", ".join(f"{k}={v:.4g}" for k, v in metrics.items()) or "none"
        super().__init__(
            f"loss or gradient is not finite at step {step}; last finite metrics: {shown}. The parameters before that step are in "
            "the error's `fitted`. A smaller learning rate or standardised data usually mends it."
        )
        self.step, self.metrics, self.fitted = step, metrics, fitted


def fit(
    key: jax.Array,
    entry: Entry,
    data: Any,
    num_steps: int,
    *,
    cond: Any = None,
    valid: Any = None,
    valid_cond: Any = None,
    batch_size: int = 256,
    ema: float = 0.999,
    eval_every: int | None = None,
    patience: int | None = None,
    steps_per_chunk: int = 100,
    devices: Sequence[Any] | None = None,
    start: "tuple[Any, Any] | Fitted | None" = None,
    progress: bool | None = None,
) -> Fitted:
    """Train `entry` on the events `data` `(n, *event)` for `num_steps` steps.

    data: None for an objective that is `data_free`, such as `reverse_kl`; `batch_size` is then the number of draws a step.
    cond: conditions `(n, *cond)`.  valid, valid_cond: held-out events; their loss is taken every `eval_every` steps (a tenth of the run).
    patience: stop after that many evaluations without a better validation loss, and return the best params. Those that an objective of
        several stages takes before its last one do not count.
    ema: decay of the moving average that is returned.  devices: over which each batch is split (all present by default).
    start: `(params, aux)` to begin from instead of a fresh initialisation; or an interrupted `Fitted`, which is gone on with: given the
        same key, data and arguments, the result is that of a fit without the interruption.
    progress: a progress bar on a terminal, plain lines elsewhere; None shows the bar on a terminal only.

    Raises ValueError for bad shapes or values, TrainingDiverged where the loss is no longer finite. An interrupt returns what is done.

    >>> import jax, jaxgen
    >>> entry = jaxgen.zoo.build("cfm", event_shape=(2,), width=8)
    >>> fitted = jaxgen.fit(jax.random.key(0), entry, jax.random.normal(jax.random.key(1), (64, 2)), num_steps=4, batch_size=8)
    >>> fitted.status, fitted.history["loss"].shape
    ('finished', (4,))
    """
    batch = _without_data(data, cond, valid, entry) if entry.objective.data_free else _checked("data", data, "cond", cond, entry)
    held_out = None if valid is None else _checked("valid", valid, "valid_cond", valid_cond, entry)
    _check_numbers(num_steps=num_steps, batch_size=batch_size, steps_per_chunk=steps_per_chunk, eval_every=eval_every, patience=patience)
    check_ema(ema)
    if patience is not None and held_out is None:
        raise ValueError(f"patience={patience} needs valid=, held-out events whose loss decides when to stop.")
    key_init, key_run, key_finish = jax.random.split(key, 3)
    state = once(lambda k, b: init_state(k, entry, b, num_steps), key_init, jax.tree.map(lambda a: a[:batch_size], batch))
    earlier = start if isinstance(start, Fitted) else None
    if isinstance(start, Fitted):
        state = go_on_from(state, start.state, num_steps)
    elif start is not None:
        state = start_from(state, entry, start, num_steps)
    chunk = make_chunk(entry, state, batch, key_run, num_steps, batch_size, ema, steps_per_chunk, devices)
    valid_loss = None if held_out is None else _validation(entry, held_out, num_steps)
    with progress_bar(entry.name, num_steps, progress) as bar:
        judge = None if patience is None else _Judge(patience, math.ceil(entry.objective.unjudged * num_steps), earlier)
        fitted = _loop(chunk, valid_loss, num_steps, eval_every or max(1, num_steps // 10), judge, bar, earlier)
    if entry.objective.finish is not None:
        fitted = fitted._replace(params=entry.objective.finish(fitted.params, fitted.aux, batch))
    return fitted


def _loop(
    chunk: Chunk,
    valid_loss: Callable[..., Any] | None,
    num_steps: int,
    eval_every: int,
    judge: "_Judge | None",
    bar: Progress,
    earlier: Fitted | None,
) -> Fitted:
    seen, valids = ([], []) if earlier is None else _remembered(earlier)
    state, done, status = chunk.state, int(chunk.state.step), "finished"
    next_eval = eval_every * (done // eval_every + 1)
    start = time.perf_counter() - (0.0 if earlier is None else earlier.history.get("train_seconds", 0.0))
    with deferred_interrupt() as interrupt:
        while done < num_steps and status == "finished":
            state, metrics = chunk.run(state, done)
            ok = metrics.pop("ok")[: num_steps - done]
            good = len(ok) if ok.all() else int(np.argmin(ok))
            seen.append({name: values[:good] for name, values in metrics.items()})
            done += good
            if good < len(ok):
                last = {name: float(v[-1]) for name, v in _history(seen).items() if len(v)}
                raise TrainingDiverged(done, last, _fitted(state, seen, valids, chunk, start, "diverged"))
            bar.update(done, {name: float(v[-1]) for name, v in seen[-1].items()})
            if valid_loss is not None and (done >= next_eval or done == num_steps):
                next_eval += eval_every
                valids.append((done, float(valid_loss(state.ema, state.aux))))
                if judge is not None and judge.gives_up(valids, state.ema):
                    status = "early stop"
            if interrupt.requested and done < num_steps:
                status = "interrupted"
    fitted = _fitted(state, seen, valids, chunk, start, status)
    if status == "interrupted":
        # A copy: these buffers are spread over the mesh.
        fitted = fitted._replace(state=jax.tree.map(jnp.asarray, jax.device_get(state)))
    best = None if judge is None else judge.best
    return fitted if best is None else fitted._replace(params=jax.tree.map(jnp.asarray, best))


class _Judge:
    """The best params by held-out loss from step `first` on, and when to give up."""

    def __init__(self, patience: int, first: int, earlier: Fitted | None) -> None:
        self.patience, self.first = patience, first
        self.best = earlier.params if earlier is not None and self._losses(_remembered(earlier)[1]) else None

    def _losses(self, valids: list[tuple[int, float]]) -> list[float]:
        # A loss that is not a number is no better than any other.
        return [loss if math.isfinite(loss) else math.inf for step, loss in valids if step >= self.first]

    def gives_up(self, valids: list[tuple[int, float]], params: Any) -> bool:
        """After an evaluation, the last of `valids`, of these params."""
        losses = self._losses(valids)
        if losses and losses[-1] < min(losses[:-1], default=math.inf):
            self.best = jax.device_get(params)
        return len(losses) - 1 - int(np.argmin(losses or [0.0])) >= self.patience


def _fitted(
    state: State, seen: list[dict[str, np.ndarray]], valids: list[tuple[int, float]], chunk: Chunk, start: float, status: str
) -> Fitted:
    # Copies on the default device: training's own buffers are spread over the mesh.
    params, aux = jax.tree.map(jnp.asarray, jax.device_get((state.ema, state.aux)))
    history: dict[str, Any] = _history(seen)
    history["valid_step"] = np.array([s for s, _ in valids], np.int32)
    history["valid_loss"] = np.array([v for _, v in valids], np.float32)
    history["compile_seconds"], history["train_seconds"] = chunk.compile_seconds, time.perf_counter() - start
    history["num_steps"] = int(state.step)
    return Fitted(params, aux, history, status)


def _remembered(earlier: Fitted) -> tuple[list[dict[str, np.ndarray]], list[tuple[int, float]]]:
    """The history of an interrupted fit in the form in which the loop keeps it."""
    steps = {k: v for k, v in earlier.history.items() if isinstance(v, np.ndarray) and not k.startswith("valid_")}
    valids = zip(earlier.history["valid_step"], earlier.history["valid_loss"], strict=True)
    return [steps] if steps else [], [(int(s), float(v)) for s, v in valids]


def _history(seen: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([s[name] for s in seen]) for name in (seen[0] if seen else {})}


def _validation(entry: Entry, data: Batch, num_steps: int) -> Callable[..., jax.Array]:
    """The objective's loss on held-out data, always with the same key, in slices of at most 1,000 events."""
    size = min(1_000, data.x.shape[0])
    num = data.x.shape[0] // size
    slices = jax.tree.map(lambda a: a[: num * size].reshape(num, size, *a.shape[1:]), data)
    keys = jax.random.split(jax.random.key(0), num)

    @jax.jit
    def loss(params: Any, aux: Any) -> jax.Array:
        clock = Clock(jnp.asarray(num_steps, jnp.int32), jnp.asarray(num_steps, jnp.int32), params)
        return jnp.mean(jax.lax.map(lambda args: entry.objective.loss(params, aux, args[0], args[1], clock)[0], (keys, slices)))

    return loss


def _without_data(data: Any, cond: Any, valid: Any, entry: Entry) -> Batch:
    """Rows without coordinates: they are drawn, split over devices and counted as data is."""
    for name, value in (("data", data), ("valid", valid)):
        if value is not None:
            raise ValueError(f"{name} is given, but this entry's objective learns without data; accepted: {name}=None.")
    num = 1 if cond is None else len(jnp.atleast_1d(jnp.asarray(cond)))
    return Batch(jnp.zeros((num, 0)), _checked_conditions("cond", cond, num, entry))


def _checked(name: str, x: Any, cond_name: str, cond: Any, entry: Entry) -> Batch:
    if x is None:
        raise ValueError(f"{name}=None, but this entry's objective learns from events; only one without data, as reverse_kl, accepts None.")
    x = jnp.asarray(x)
    event = tuple(entry.config.get("event_shape", x.shape[1:]))
    if x.ndim < 2 or x.shape[0] == 0 or x.shape[1:] != event:
        raise ValueError(f"{name} has shape {x.shape}; expected (n, {', '.join(map(str, event))}) with n >= 1.")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"{name} has dtype {x.dtype}; expected floating point, for example {name}.astype('float32').")
    finite = np.isfinite(np.asarray(x)).reshape(x.shape[0], -1).all(1)
    if not finite.all():
        raise ValueError(f"{name} has a value that is not finite in row {int(np.argmin(finite))}; remove or fill such rows.")
    return Batch(x, _checked_conditions(cond_name, cond, x.shape[0], entry))


def _checked_conditions(name: str, cond: Any, num: int, entry: Entry) -> jax.Array | None:
    wanted = entry.config.get("cond_shape")
    if (cond is None) != (wanted is None):
        raise ValueError(f"{name}={'None' if cond is None else 'given'}, but the entry was built with cond_shape={wanted}.")
    if cond is None:
        return None
    cond = jnp.asarray(cond)
    if cond.shape != (num, *tuple(wanted or ())):
        raise ValueError(f"{name} has shape {cond.shape}; expected {(num, *tuple(wanted or ()))}.")
    if not np.isfinite(np.asarray(cond)).all():
        raise ValueError(f"{name} has a value that is not finite.")
    return cond


def _check_numbers(**numbers: int | None) -> None:
    for name, value in numbers.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{name}={value!r}; accepted: an integer of at least 1.")
