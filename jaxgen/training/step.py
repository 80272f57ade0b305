"""One training step as a pure function of state, batch and key."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from jaxgen.model import init
from jaxgen.objective import Batch, Clock
from jaxgen.training.entry import Entry

Step = Callable[["State", Batch, jax.Array], tuple["State", dict[str, jax.Array]]]


class State(NamedTuple):
    """Everything training carries: `step` int32 scalar, `params`, `aux`, the optimiser's state, and `ema`, the average of the params."""

    step: jax.Array
    params: Any
    aux: Any
    opt_state: Any
    ema: Any


def init_state(key: jax.Array, entry: Entry, batch: Batch, num_steps: int) -> State:
    """The state before step 0; `batch` is an example for shapes and data-dependent initialisation."""
    key_params, key_aux = jax.random.split(key)
    first = None if batch.cond is None else batch.cond[0]
    params, aux = entry.objective.init(key_aux, init(key_params, entry.model, first), batch)
    opt_state = entry.optimizer(num_steps).init((params, aux))
    return State(jnp.zeros((), jnp.int32), params, aux, opt_state, jax.tree.map(jnp.copy, params))


def start_from(state: State, entry: Entry, start: tuple[Any, Any], num_steps: int) -> State:
    """`state` with `(params, aux)` from an earlier fit and a fresh optimiser. ValueError where their shapes differ from the entry's."""
    shapes = jax.tree.map(jnp.shape, (state.params, state.aux))
    if jax.tree.map(jnp.shape, tuple(start)) != shapes:
        raise ValueError("start: these params and auxiliaries are not shaped as this entry's; it was built with other options.")
    # A copy: training donates its state, and the caller's arrays must outlive it.
    params, aux = jax.tree.map(jnp.copy, tuple(start))
    return State(state.step, params, aux, entry.optimizer(num_steps).init((params, aux)), jax.tree.map(jnp.copy, params))


def go_on_from(fresh: State, state: State | None, num_steps: int) -> State:
    """The `state` of an interrupted fit, checked against a `fresh` one. ValueError where there is none, it is done or shaped otherwise."""
    if state is None:
        raise ValueError("start: this fit was not interrupted, so it has no state to go on from; give start=(params, aux) instead.")
    if jax.tree.map(jnp.shape, state) != jax.tree.map(jnp.shape, fresh):
        raise ValueError("start: this state is not shaped as this entry's; it was built with other options.")
    if int(state.step) >= num_steps:
        raise ValueError(f"start: {int(state.step)} steps are done already; num_steps={num_steps} must be more.")
    # A copy: training donates its state, and the caller's must outlive it.
    return jax.tree.map(jnp.copy, state)


def make_step(entry: Entry, num_steps: int, *, ema: float = 0.999, axis_name: str | None = None, limit: int | None = None) -> Step:
    """`step(state, batch, key) -> (state, metrics)`, pure and to be jitted by the caller; `fit` runs the same one.

    A step whose loss or gradient is not finite leaves the state, its counter included, as it was; `metrics["ok"]` says so. With `axis_name`
    the batch is one device's share and gradients cross that axis in one ravelled all-reduce. From step `limit` on the state stays as it is.

    >>> import jax, jaxgen
    >>> entry = jaxgen.zoo.build("realnvp", event_shape=(2,), width=8, num_layers=2)
    >>> x = jax.random.normal(jax.random.key(0), (16, 2))
    >>> state = jaxgen.training.init_state(jax.random.key(1), entry, jaxgen.Batch(x), num_steps=10)
    >>> state, metrics = jax.jit(jaxgen.training.make_step(entry, 10))(state, jaxgen.Batch(x), jax.random.key(2))
    >>> int(state.step), bool(metrics["ok"])
    (1, True)
    """
    check_ema(ema)
    objective, optimizer = entry.objective, entry.optimizer(num_steps)

    def step(state: State, batch: Batch, key: jax.Array) -> tuple[State, dict[str, jax.Array]]:
        if axis_name is not None:
            key = jax.random.fold_in(key, jax.lax.axis_index(axis_name))
        clock = Clock(state.step, jnp.asarray(num_steps, jnp.int32), state.ema)

        def scalar(trained: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
            value, metrics = objective.loss(*trained, key, batch, clock)
            return value, {"loss": value, **metrics}

        trained = (state.params, state.aux)
        grads, metrics = jax.grad(scalar, has_aux=True)(trained)
        if axis_name is not None:
            grads, metrics = _mean_over(axis_name, (grads, metrics))
        norm = optax.global_norm(grads)
        ok = jnp.isfinite(metrics["loss"]) & jnp.isfinite(norm)

        def move(state: State, grads: Any) -> State:
            trained = (state.params, state.aux)
            updates, opt_state = optimizer.update(grads, state.opt_state, trained)
            params, aux = cast(tuple[Any, Any], optax.apply_updates(trained, updates))
            if objective.update is not None:
                aux = objective.update(params, aux, key, batch, clock)
            # Early averages forget their start faster, so that a short fit is not an average with its initialisation.
            decay = jnp.minimum(ema, (1.0 + state.step) / (10.0 + state.step))
            average = jax.tree.map(lambda a, p: (decay * a + (1 - decay) * p).astype(p.dtype), state.ema, params)
            return State(state.step + 1, params, aux, opt_state, average)

        # A branch, not a select of every number: that would keep the state before the step beside the one after it.
        moves = ok if limit is None else ok & (state.step < limit)
        kept = jax.lax.cond(moves, move, lambda state, _: state, state, grads)
        return kept, {**metrics, "gradient_norm": norm, "ok": ok}

    return step


def check_ema(ema: float) -> None:
    """ValueError unless `ema` is a decay: with any other number the average of the params is none, and NaN would enter it unseen."""
    if not 0 <= ema < 1:
        raise ValueError(f"ema={ema!r}; accepted: a number from 0 to below 1.")


def batch_at(key: jax.Array, step: Any, data: Batch, batch_size: int) -> tuple[Batch, jax.Array]:
    """The batch that `fit` draws for `step` (uniformly with replacement) and the key of that step, both by `fold_in(key, step)`."""
    rows, key_step = rows_at(key, step, data.x.shape[0], batch_size)
    return jax.tree.map(lambda a: a[rows], data), key_step


def rows_at(key: jax.Array, step: Any, num: int, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Which of `num` events `batch_at` takes, `(batch_size,)`, and the key of that step."""
    key_rows, key_step = jax.random.split(jax.random.fold_in(key, step))
    return jax.random.randint(key_rows, (batch_size,), 0, num), key_step


def _mean_over(axis_name: str, tree: Any) -> Any:
    flat, unravel = ravel_pytree(tree)
    return unravel(jax.lax.pmean(flat, axis_name))
