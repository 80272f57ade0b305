"""Adaptive integration with one step for the whole state, as plain loops: fast to compile, fast to run, fast in reverse."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.numerics.checkpoints import Saved, nothing_saved, saved_with
from jaxgen.numerics.step_control import Control, Pair, first_step, step, step_factor

_CHECKPOINTS = 64


class Solution(NamedTuple):
    """Hold what an adaptive solve returns.

    Attributes:
        y: The state at the end, a pytree like the first state.
        num_steps: The number of steps that were tried, accepted or not, an int32 scalar.
        ok: A bool scalar: True if the end was reached.
    """

    y: Any
    num_steps: jax.Array
    ok: jax.Array


class _Loop(NamedTuple):
    done: Any
    h: Any
    y: Any
    first: Any
    tried: Any
    saved: Any


def integrate(field: Callable[[jax.Array, Any], Any], y0: Any, start: jax.Array, end: jax.Array, control: Control) -> Solution:
    """Integrate `dy/dt = field(t, y)` from `y(start) = y0` to `end` with adaptive steps.

    Args:
        field: `(t, y) -> dy/dt`, a pytree like `y`.
        y0: The state at `start`, any pytree of arrays.
        start: The first time, a scalar.
        end: The last time, a scalar on either side of `start`.
        control: The Runge-Kutta pair, the tolerances and the norm.

    Returns:
        The state at `end`, the number of steps and whether the end was reached. It has no reverse mode; `integrate_in_reverse` has one.
    """
    return _run(field, y0, start, end, control, None)[0]


def integrate_in_reverse(
    field: Callable[..., Any], consts: tuple[Any, ...], y0: Any, start: jax.Array, end: jax.Array, control: Control
) -> Solution:
    """Integrate as `integrate` does, with a derivative in reverse mode and none in forward mode.

    The gradient is that of the steps taken, their lengths held fixed. The states at the first 64 steps are kept in memory. A longer solve
    keeps every second, fourth, eighth ... state and recomputes the states between them.

    Args:
        field: `(t, y, *consts) -> dy/dt`, a pytree like `y`.
        consts: Further arguments of `field`, whose gradients are returned too.
        y0: The state at `start`, any pytree of arrays.
        start: The first time, a scalar.
        end: The last time, a scalar on either side of `start`.
        control: The Runge-Kutta pair, the tolerances and the norm.

    Returns:
        The state at `end`, the number of steps and whether the end was reached.
    """

    def run(y0: Any, consts: Any, checkpoints: int | None) -> Any:
        return _run(lambda t, y: field(t, y, *consts), y0, start, end, control, checkpoints)

    @jax.custom_vjp
    def solve(y0: Any, consts: Any) -> Solution:
        return run(y0, consts, None)[0]

    def forward(y0: Any, consts: Any) -> Any:
        found, saved = run(y0, consts, _CHECKPOINTS)
        return found, (saved, y0, consts)

    def backward(kept: Any, pull: Solution) -> Any:
        saved, y0, consts = kept
        slope_bar = jax.tree.map(jnp.zeros_like, pull.y)
        (y_bar, slope_bar), consts_bar = _pulled_back(field, consts, control.pair, saved, (pull.y, slope_bar))
        more_y, more_consts = jax.vjp(lambda y, c: field(start, y, *c), y0, consts)[1](slope_bar)
        return jax.tree.map(jnp.add, (y_bar, consts_bar), (more_y, more_consts))

    solve.defvjp(forward, backward)
    return solve(y0, consts)


def _pulled_back(field: Any, consts: Any, pair: Pair, saved: Saved, bar: Any) -> tuple[Any, Any]:
    """Return the cotangents of the first state with its slope and of `consts`; `bar` are the cotangents of the last."""

    def again(now: Any, consts: Any, i: jax.Array) -> Any:
        # With the slope in the state, the one at the end of a step is evaluated once and not again where the next begins.
        return step(lambda t, y: field(t, y, *consts), pair, saved.t[i], saved.h[i], *now)[0]

    def body(carry: Any) -> Any:
        i, bar, consts_bar = carry
        kept_at = i // saved.stride
        nearest = jax.tree.map(lambda a: a[kept_at], saved.y)
        now = jax.lax.fori_loop(kept_at * saved.stride, i, lambda j, now: again(now, consts, j), nearest)
        bar, more = jax.vjp(lambda now, c: again(now, c, i), now, consts)[1](bar)
        return i - 1, bar, jax.tree.map(jnp.add, consts_bar, more)

    zeros = jax.tree.map(jnp.zeros_like, consts)
    return jax.lax.while_loop(lambda carry: carry[0] >= 0, body, (saved.num - 1, bar, zeros))[1:]


def _run(field: Any, y0: Any, start: Any, end: Any, control: Control, checkpoints: int | None) -> tuple[Solution, Any]:
    length, way, pair = jnp.abs(end - start), jnp.sign(end - start), control.pair

    def body(now: _Loop) -> _Loop:
        # The last step ends exactly at the end: what is left after rounding would be a step of its own.
        h = now.h if control.longest_step >= 1 else jnp.minimum(now.h, (control.longest_step * length).astype(length.dtype))
        last = now.done + h >= length
        h = jnp.where(last, length - now.done, h)
        t = start + way * now.done
        after, error = step(field, pair, t, way * h, now.y, now.first)
        r = control.size(error, now.y, after[0])
        good = r <= 1
        y, first = jax.tree.map(lambda a, b: jnp.where(good, a, b), after, (now.y, now.first))
        saved = None if checkpoints is None else saved_with(now.saved, good, t, way * h, (now.y, now.first), checkpoints)
        done = jnp.where(good, jnp.where(last, length, now.done + h), now.done)
        return _Loop(done, (h * step_factor(r, pair.order)).astype(h.dtype), y, first, now.tried + 1, saved)

    first = field(start, y0)
    h = first_step(field, y0, first, start, way, length, control)
    saved = None if checkpoints is None else nothing_saved((y0, first), start, control.max_steps, checkpoints)
    begin = _Loop(jnp.zeros_like(length), h, y0, first, jnp.zeros((), jnp.int32), saved)
    end_of = jax.lax.while_loop(lambda now: (now.done < length) & (now.tried < control.max_steps), body, begin)
    return Solution(end_of.y, end_of.tried, end_of.done >= length), end_of.saved
