"""Several seeds of one entry, trained by one program that is mapped over their states and keys and compiled once."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.compiled import once, traced_for, training_options
from jaxgen.objective import Batch
from jaxgen.training.checked import Rows, checked_batches
from jaxgen.training.chunk import Plan
from jaxgen.training.entry import Entry
from jaxgen.training.fitted import Fitted, TrainingDiverged
from jaxgen.training.interrupt import deferred_interrupt
from jaxgen.training.progress import progress_bar
from jaxgen.training.step import State, init_state, make_step, rows_at
from jaxgen.types import Key

AXIS = "seeds"
Metrics = dict[str, np.ndarray]


def fit_seeds(
    keys: Key | Sequence[Key | int],
    entry: Entry,
    data: ArrayLike | None,
    num_steps: int,
    *,
    cond: ArrayLike | None = None,
    batch_size: int = 256,
    ema: float = 0.999,
    steps_per_chunk: int = 100,
    devices: Sequence[Any] | None = None,
    progress: bool | None = None,
) -> Fitted:
    """Train one seed for each key in one program; `fit(key, ..., seeds=5)` calls it with `jax.random.split(key, 5)`.

    The program is compiled once. On a CPU the seeds are spread over its devices, and each device trains its seeds one after the other; an
    accelerator trains them side by side. A seed that diverges stands still while the others go on.

    Args:
        keys: A random key or an integer for each seed `(seeds,)`.
        entry: As `fit` takes it. An objective that prepares its batches on the host is refused.
        data: As `fit` takes it; the seeds share the events, and each draws batches of its own.
        num_steps: The number of training steps of each seed.
        cond: As `fit` takes it.
        batch_size: As `fit` takes it.
        ema: As `fit` takes it.
        steps_per_chunk: As `fit` takes it.
        devices: The devices over which the seeds are spread; None takes all that are present.
        progress: As `fit` takes it.

    Returns:
        A `Fitted` whose params, aux and arrays of the history have a leading axis of seeds; `one_seed(fitted, i)` is what `fit` makes of
        `keys[i]` alone.

    Raises:
        ValueError: An argument is refused as by `fit`, `keys` is no array of keys, or the objective prepares batches on the host.
        TrainingDiverged: The loss or a gradient of a seed is no longer finite; the error's `fitted` holds all seeds.

    >>> import jax, jaxgen
    >>> entry = jaxgen.zoo.build("realnvp", event_shape=(2,), width=4, num_layers=1)
    >>> x = jax.random.normal(jax.random.key(1), (64, 2))
    >>> fitted = jaxgen.training.fit_seeds(jax.random.split(jax.random.key(0), 3), entry, x, num_steps=2, batch_size=8)
    >>> fitted.history["loss"].shape, one_seed(fitted, 0).history["loss"].shape
    ((3, 2), (2,))
    """
    keys = _stacked(keys)
    checks.counts("fit_seeds", num_steps=num_steps, batch_size=batch_size, steps_per_chunk=steps_per_chunk)
    checks.number("fit_seeds: ema", ema, least=0, below=1)
    if keys.ndim != (1 if jnp.issubdtype(keys.dtype, jax.dtypes.prng_key) else 2) or len(keys) == 0:
        raise ValueError(f"fit_seeds: keys of shape {keys.shape}; accepted: one key for each seed, as jax.random.split(key, 5) makes them.")
    if entry.objective.prepare is not None:
        raise ValueError(
            "fit_seeds: entry=one whose objective prepares batches on the host; accepted: one that works on the device alone, because "
            "seeds are trained in one program. Call fit for each seed, or take couplings.entropic in place of an exact plan."
        )
    batch, _ = checked_batches(entry, Rows("data", data, "cond", cond), Rows("valid", None, "valid_cond", None))
    plan, began = Plan(num_steps, batch_size, ema, steps_per_chunk), time.perf_counter()
    with progress_bar(num_steps, progress) as bar, deferred_interrupt() as interrupt:

        def told(done: int, last: dict[str, float]) -> bool:
            bar.update(done, last)
            return interrupt.requested

        seeds = _trained(keys, entry, batch, plan, devices, told)
    return _result(seeds, entry, batch, num_steps, time.perf_counter() - began)


def _stacked(keys: Key | Sequence[Key | int]) -> Key:
    if isinstance(keys, jax.Array):
        return keys
    if not isinstance(keys, Sequence | np.ndarray) or not len(keys):
        raise ValueError(f"fit_seeds: keys={keys!r}; accepted: a key or an integer for each seed, as jax.random.split(key, 5) makes them.")
    return jnp.stack([checks.key("fit_seeds: keys", key) for key in keys])


def check_seeds(seeds: int, **alone: object) -> None:
    """Refuse a number of seeds below 1, and arguments of `fit` that are made for one seed.

    Args:
        seeds: The number of seeds.
        **alone: Those arguments by name; each has to be None.

    Raises:
        ValueError: The message names the argument.
    """
    checks.count("fit: seeds", seeds)
    for name, value in alone.items():
        if value is not None:
            raise ValueError(f"fit: {name}=<{type(value).__name__}>; accepted: None with seeds={seeds}, which train to their end at once.")


def require_one_seed(name: str, fitted: object) -> None:
    """Refuse what is no `Fitted`, and one that holds several seeds.

    Args:
        name: The function that takes it, for the message.
        fitted: The value of the argument `fitted`.

    Raises:
        ValueError: It is not the fit of one seed.
    """
    if not isinstance(fitted, Fitted):
        raise ValueError(f"{name}: fitted=<{type(fitted).__name__}>; accepted: what jaxgen.fit returned.")
    shape = np.shape(fitted.history.get("loss", ()))
    if len(shape) > 1:
        raise ValueError(f"{name}: fitted=one of {shape[0]} seeds; accepted: one of them, jaxgen.training.one_seed(fitted, 0).")


def one_seed(fitted: Fitted, seed: int) -> Fitted:
    """Return one of the seeds that `fit(..., seeds=5)` or `fit_seeds` has trained.

    Args:
        fitted: The result for all seeds.
        seed: The place of the seed, from 0.

    Returns:
        What `fit` makes of this seed's key alone. The numbers "compile_seconds" and "train_seconds" are those of all seeds together.

    Raises:
        ValueError: There is no such seed, or `fitted` is the fit of one seed.

    >>> import numpy as np
    >>> one_seed(Fitted(np.asarray([[1.0], [2.0]]), (), {"loss": np.zeros((2, 3)), "num_steps": 3}), 1).params.tolist()
    [2.0]
    """
    shape = np.shape(fitted.history["loss"])
    if len(shape) != 2:
        # Its params would be cut along an axis of their own.
        raise ValueError("one_seed: fitted=the fit of one seed; accepted: what fit(seeds=...) or fit_seeds returned.")
    checks.count("one_seed: seed", seed, 0)
    if seed >= shape[0]:
        raise ValueError(f"one_seed: seed={seed}; accepted: 0 to {shape[0] - 1}, a place among the seeds.")
    params, aux = jax.tree.map(lambda a: a[seed], (fitted.params, fitted.aux))
    history = {name: value[seed] if np.ndim(value) else value for name, value in fitted.history.items()}
    return Fitted(params, aux, history, fitted.status)


class _Seeds(NamedTuple):
    """What the seeds have been trained to; each leaf of `state` and of `metrics` has a leading axis of seeds."""

    state: State
    metrics: Metrics
    compile_seconds: float

    def num_good(self) -> np.ndarray:
        """Return the number of steps of each seed before the first that was not finite."""
        ok = self.metrics["ok"]
        return np.where(ok.all(1), ok.shape[1], np.argmin(ok, 1))


def _result(seeds: _Seeds, entry: Entry, data: Batch, num_steps: int, seconds: float) -> Fitted:
    metrics = {name: values for name, values in seeds.metrics.items() if name != "ok"}
    num_good, done = seeds.num_good(), seeds.metrics["ok"].shape[1]
    numbers = {"compile_seconds": seeds.compile_seconds, "train_seconds": seconds - seeds.compile_seconds, "num_steps": done}
    status = "finished" if done == num_steps else "interrupted"
    params, aux = jax.tree.map(jnp.asarray, (seeds.state.ema, seeds.state.aux))
    fitted = Fitted(params, aux, {**metrics, **numbers}, status)
    if (num_good < done).any():
        worst = int(np.argmin(num_good))
        step = int(num_good[worst])
        last = {name: float(values[worst, step - 1]) for name, values in metrics.items()} if step else {}
        raise TrainingDiverged(step, last, fitted._replace(status="diverged"))
    if entry.objective.finish is None:
        return fitted
    each = [one_seed(fitted, i) for i in range(len(num_good))]
    finished = [entry.objective.finish(seed.params, seed.aux, data) for seed in each]
    return fitted._replace(params=jax.tree.map(lambda *a: jnp.stack(a), *finished))


def _trained(
    keys: Key, entry: Entry, data: Batch, plan: Plan, devices: Sequence[Any] | None, told: Callable[[int, dict[str, float]], bool]
) -> _Seeds:
    """Train the seeds chunk by chunk; `told(done, last_metrics)` says after each chunk whether to end."""
    start, num_seeds, mesh = time.perf_counter(), len(keys), _mesh(devices, len(keys))
    # Every device trains equally many; the last ones may do so in vain.
    keys = keys[np.minimum(np.arange(-(-num_seeds // mesh.size) * mesh.size), num_seeds - 1)]
    key_init, key_run, _ = jnp.moveaxis(jax.vmap(lambda key: jax.random.split(key, 3))(keys), 1, 0)
    first = jax.tree.map(lambda a: a[: plan.batch_size], data)
    state = once(jax.vmap(lambda key, batch: init_state(key, entry, batch, plan.num_steps), (0, None)), key_init, first)
    state, key_run = jax.device_put((state, key_run), NamedSharding(mesh, P(AXIS)))
    data, length = jax.device_put(data, NamedSharding(mesh, P())), min(plan.num_steps, plan.steps_per_chunk)
    platform = mesh.devices.flat[0].platform
    options = training_options() if platform == "cpu" else None
    program = jax.jit(_program(entry, mesh, plan, length), donate_argnums=0)
    with traced_for(platform):
        run = program.lower(state, data, key_run, np.int32(0)).compile(compiler_options=options)
    compile_seconds, chunks, done, ends = time.perf_counter() - start, [], 0, False
    while done < plan.num_steps and not ends:
        num = min(length, plan.num_steps - done)
        state, metrics = run(state, data, key_run, np.int32(num))
        chunks.append({name: values[:num_seeds, :num] for name, values in jax.device_get(metrics).items()})
        done += num
        ends = told(done, {name: float(values[:, -1].mean()) for name, values in chunks[-1].items()})
    joined = {name: np.concatenate([chunk[name] for chunk in chunks], 1) for name in chunks[0]}
    return _Seeds(jax.tree.map(lambda a: a[:num_seeds], jax.device_get(state)), joined, compile_seconds)


def _program(entry: Entry, mesh: Mesh, plan: Plan, length: int) -> Callable[..., tuple[State, dict[str, jax.Array]]]:
    """Return the program `(state, data, keys, num) -> (state, metrics)` of the first `num` of `length` steps of every seed."""
    step = make_step(entry, plan.num_steps, ema=plan.ema)

    def of_one(state: State, key: Key, data: Batch, num: jax.Array) -> tuple[State, dict[str, jax.Array]]:
        # A seed that has diverged stands at its step, and meets the same batch and key for ever.
        first = state.step
        rows, keys = jax.vmap(lambda i: rows_at(key, i, data.x.shape[0], plan.batch_size))(first + jnp.arange(length))

        def trained(state: State) -> tuple[State, dict[str, jax.Array]]:
            here, key_step = jax.tree.map(lambda a: a[state.step - first], (rows, keys))
            return step(state, jax.tree.map(lambda a: a[here], data), key_step)

        shapes = jax.eval_shape(trained, state)[1]

        def resting(state: State) -> tuple[State, dict[str, jax.Array]]:
            return state, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

        return jax.lax.scan(lambda state, i: jax.lax.cond(i < num, trained, resting, state), state, jnp.arange(length))

    def of_all(state: State, data: Batch, keys: Key, num: jax.Array) -> tuple[State, dict[str, jax.Array]]:
        if side_by_side(mesh):
            return jax.vmap(of_one, (0, 0, None, None))(state, keys, data, num)
        return jax.lax.map(lambda seed: of_one(seed[0], seed[1], data, num), (state, keys))

    specs = (P(AXIS), P(), P(AXIS), P())
    return jax.shard_map(of_all, mesh=mesh, in_specs=specs, out_specs=P(AXIS), check_vma=False)


def side_by_side(mesh: Mesh) -> bool:
    """Return whether a device trains its seeds at once: one seed fills a core and its cache, but no accelerator."""
    return mesh.devices.flat[0].platform != "cpu"


def _mesh(devices: Sequence[Any] | None, num_seeds: int) -> Mesh:
    devices = list(jax.local_devices() if devices is None else devices)
    if not devices:
        raise ValueError("fit_seeds: devices=[]; accepted: at least one of jax.devices().")
    return Mesh(np.array(devices[: min(len(devices), num_seeds)]), (AXIS,))
