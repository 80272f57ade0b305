"""One training step as a pure function of state, batch and key."""

from collections.abc import Callable
from typing import cast

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.compiled import platform
from jaxgen.model import init
from jaxgen.objective import Batch, Clock, Share
from jaxgen.training.entry import Entry
from jaxgen.training.optimizers import updates_of
from jaxgen.training.sharding import StateSharding
from jaxgen.training.state import State
from jaxgen.types import Aux, Key, Params, PyTree

Step = Callable[[State, Batch, Key], tuple[State, dict[str, jax.Array]]]


def init_state(key: Key, entry: Entry, batch: Batch, num_steps: int) -> State:
    """Return the state before the first step.

    Args:
        key: A random key.
        entry: The entry to train.
        batch: A first batch, for the shapes and for initialisation from data.
        num_steps: The number of steps of the whole training, which the optimiser's schedule needs.
    """
    key_params, key_aux = jax.random.split(key)
    first = None if batch.cond is None else batch.cond[0]
    pair = entry.objective.init(key_aux, init(key_params, entry.model, first), batch)
    if not isinstance(pair, tuple) or len(pair) != 2:  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison]
        raise ValueError(f"Objective: init=a function that returns a {type(pair).__name__}; accepted: one that returns (params, aux).")
    params, aux = pair
    optimizer = updates_of(entry.optimizer, num_steps)
    if not isinstance(optimizer, optax.GradientTransformation):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"Entry: optimizer=a function that returns {optimizer!r}; accepted: num_steps -> an optax optimiser.")
    opt_state = optimizer.init((params, aux))
    return State(jnp.zeros((), jnp.int32), params, aux, opt_state, jax.tree.map(jnp.copy, params))


def start_from(state: State, entry: Entry, start: tuple[Params, Aux], num_steps: int) -> State:
    """Return a fresh state with the params and auxiliaries of an earlier fit, and a fresh optimiser.

    Args:
        state: A fresh state, for the shapes.
        entry: The entry to train.
        start: `(params, aux)` of an earlier fit, which are copied.
        num_steps: The number of steps of the whole training.

    Raises:
        ValueError: The shapes of `start` differ from the entry's.
    """
    if not isinstance(start, tuple) or len(start) != 2:  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison]
        raise ValueError(f"fit: start=<{type(start).__name__}>; accepted: (params, aux), or an interrupted Fitted.")
    _check_shapes("(params, aux)", start, (state.params, state.aux))
    # A copy: training donates its state, and the caller's arrays must outlive it.
    params, aux = jax.tree.map(jnp.copy, tuple(start))
    return State(state.step, params, aux, updates_of(entry.optimizer, num_steps).init((params, aux)), jax.tree.map(jnp.copy, params))


def resumed(fresh: State, state: State | None, num_steps: int) -> State:
    """Return a copy of the state of an interrupted fit, to go on from.

    Args:
        fresh: A fresh state of the same entry, for the shapes.
        state: The state that `Fitted.state` holds.
        num_steps: The number of steps of the whole training.

    Raises:
        ValueError: There is no state, its shapes differ from the entry's, or its steps are all done.
    """
    if state is None:
        raise ValueError("fit: start=a fit without a state; accepted: a fit that was interrupted, or (params, aux) of any fit.")
    _check_shapes("an interrupted fit", state, fresh)
    if int(state.step) >= num_steps:
        raise ValueError(f"fit: num_steps={num_steps}; accepted: more than the {int(state.step)} steps that are done already.")
    # A copy: training donates its state, and the caller's must outlive it.
    return jax.tree.map(jnp.copy, state)


def make_step(
    entry: Entry, num_steps: int, *, ema: float = 0.999, axis_name: str | None = None, sharding: StateSharding | None = None
) -> Step:
    """Build the training step, a pure function that the caller compiles; `fit` runs the same one.

    A step whose loss or gradient is not finite leaves the whole state as it was, its counter included, and `metrics["ok"]` is then False.

    Args:
        entry: The entry to train.
        num_steps: The number of steps of the whole training, which the optimiser's schedule and the loss's clock need.
        ema: The decay of the moving average of the params, from 0 to below 1.
        axis_name: The name of a mapped axis over whose devices the batch is split, for an objective that is `additive`. All devices are
            given the same key, and the gradients cross the axis in one all-reduce. None is for one device.
        sharding: How the state lies on a mesh, from `state_sharding`, for a step that is compiled by `jax.jit`: the batch is whole, of any
            objective, and the compiler splits its rows over the devices. None leaves everything where it is.

    Returns:
        `step(state, batch, key) -> (state, metrics)`; the metrics are the objective's, "loss", "gradient_norm" and "ok".

    Raises:
        ValueError: `ema` is not a decay, or the batch of an objective that is not additive would be split.

    >>> import jax, jaxgen
    >>> entry = jaxgen.zoo.build("realnvp", event_shape=(2,), width=8, num_layers=2)
    >>> x = jax.random.normal(jax.random.key(0), (16, 2))
    >>> state = jaxgen.training.init_state(jax.random.key(1), entry, jaxgen.Batch(x), num_steps=10)
    >>> state, metrics = jax.jit(jaxgen.training.make_step(entry, 10))(state, jaxgen.Batch(x), jax.random.key(2))
    >>> int(state.step), bool(metrics["ok"])
    (1, True)
    """
    # With any other number the average of the params is none, and NaN would enter it unseen.
    checks.number("make_step: ema", ema, least=0, below=1)
    objective, optimizer = entry.objective, updates_of(entry.optimizer, num_steps)
    if axis_name is not None and not objective.additive:
        raise ValueError(
            f"make_step: axis_name={axis_name!r}; accepted: None, as this objective is not additive and sees each batch whole."
        )

    def step(state: State, batch: Batch, key: jax.Array) -> tuple[State, dict[str, jax.Array]]:
        if axis_name is not None:
            batch = batch._replace(share=Share(axis_name, jax.lax.axis_size(axis_name)))
        trained, ema_now = (state.params, state.aux), state.ema
        if sharding is not None:
            batch, trained, ema_now = sharding.rows(batch), sharding.gathered(trained), sharding.gathered((ema_now, state.aux))[0]
        clock = Clock(state.step, jnp.asarray(num_steps, jnp.int32), ema_now)

        def scalar(trained: tuple[Params, Aux]) -> tuple[jax.Array, dict[str, jax.Array]]:
            pair = objective.loss(trained[0], trained[1], key, batch, clock)
            if not isinstance(pair, tuple) or len(pair) != 2 or jnp.shape(pair[0]) != ():  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison]
                raise ValueError("Objective: loss=a function that returns something else; accepted: one that returns (scalar, metrics).")
            value, metrics = pair
            return value, {"loss": value, **metrics}

        grads, metrics = jax.grad(scalar, has_aux=True)(trained)
        if axis_name is not None:
            grads, metrics = _mean_over(axis_name, (grads, metrics))
        if sharding is not None:
            # Each device needs the sum of its own pieces only.
            grads = jax.lax.with_sharding_constraint(grads, (sharding.state.params, sharding.state.aux))
        norm = optax.global_norm(grads)
        ok = jnp.isfinite(metrics["loss"]) & jnp.isfinite(norm)

        def move(state: State, grads: tuple[Params, Aux]) -> State:
            trained = (state.params, state.aux)
            updates, opt_state = optimizer.update(grads, state.opt_state, trained)
            params, aux = cast(tuple[Params, Aux], optax.apply_updates(trained, updates))
            if objective.update is not None:
                aux = objective.update(params, aux, key, batch, clock)
            # Early averages forget their start faster, so that a short fit is not an average with its initialisation.
            decay = jnp.minimum(ema, (1.0 + state.step) / (10.0 + state.step))
            average = jax.tree.map(lambda a, p: (decay * a + (1 - decay) * p).astype(p.dtype), state.ema, params)
            return State(state.step + 1, params, aux, opt_state, average)

        state = _moved_if(ok, move, state, grads)
        if sharding is not None:
            state = jax.lax.with_sharding_constraint(state, sharding.state)
        return state, {**metrics, "gradient_norm": norm, "ok": ok}

    return step


def batch_at(key: Key, step: ArrayLike, data: Batch, batch_size: int) -> tuple[Batch, Key]:
    """Return the batch that `fit` draws for a step, and the key of that step.

    Args:
        key: The key that all steps' batches are drawn from.
        step: The number of steps before this one.
        data: All the events and conditions.
        batch_size: The number of events to draw, uniformly and with replacement.

    Returns:
        The batch and the key, both by `fold_in(key, step)`.
    """
    rows, key_step = rows_at(key, step, data.x.shape[0], batch_size)
    return jax.tree.map(lambda a: a[rows], data), key_step


def rows_at(key: Key, step: ArrayLike, num: int, batch_size: int) -> tuple[jax.Array, Key]:
    """Return which events `batch_at` takes at a step.

    Args:
        key: The random key of the training.
        step: The number of the step.
        num: The number of events.
        batch_size: The number of rows of a batch.

    Returns:
        The rows `(batch_size,)`, drawn with replacement, and the key of that step.
    """
    key_rows, key_step = jax.random.split(jax.random.fold_in(key, step))
    return jax.random.randint(key_rows, (batch_size,), 0, num), key_step


def _check_shapes(what: str, given: PyTree, wanted: PyTree) -> None:
    if jax.tree.map(jnp.shape, given) != jax.tree.map(jnp.shape, wanted):
        raise ValueError(f"fit: start={what} of other shapes; accepted: those of this entry, built with the same options.")


def _moved_if(ok: jax.Array, move: Callable[[State, tuple[Params, Aux]], State], state: State, grads: tuple[Params, Aux]) -> State:
    if platform() == "cpu":
        # A branch, not a select of every number: that would keep the state before the step beside the one after it.
        return jax.lax.cond(ok, move, lambda state, _: state, state, grads)
    # An accelerator would wait at a branch until the host has read the predicate; there the select is a part of the update's own loop.
    return jax.tree.map(lambda new, old: jnp.where(ok, new, old), move(state, grads), state)


def _mean_over(axis_name: str, tree: PyTree) -> PyTree:
    flat, unravel = ravel_pytree(tree)
    return unravel(jax.lax.pmean(flat, axis_name))
