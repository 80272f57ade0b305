"""Adaptive explicit Runge-Kutta pairs with one step for the whole state, as plain loops: fast to compile, fast to run, fast in reverse."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.numerics.checkpoints import Saved, nothing_saved, saved_with

_CHECKPOINTS = 64


class Pair(NamedTuple):
    """A pair of methods: row i of `a` weighs the slopes before stage i, at time fraction `c[i]`; `b` weighs them all, `error` the difference.

    reuses: whether the last slope of a step is the first of the next. order: of the method that is kept.
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    error: tuple[float, ...]
    c: tuple[float, ...]
    order: int
    reuses: bool


class Control(NamedTuple):
    """How steps are chosen: each step's error is held under `atol + rtol |y|` in `norm`, in at most `max_steps` tries.

    As in Hairer, Norsett and Wanner (Solving ODEs I, section II.4): their first guess, safety 0.9, factors 0.2 to 10.
    """

    pair: Pair
    rtol: float
    atol: float
    max_steps: int
    norm: Callable[[Any], jax.Array]

    def size(self, values: Any, *beside: Any) -> jax.Array:
        """The norm of `values` in units of what is tolerated beside states of these sizes."""
        scale = jax.tree.map(lambda *ys: self.atol + self.rtol * jnp.maximum(*map(jnp.abs, ys)), *beside)
        return self.norm(jax.tree.map(jnp.divide, values, scale))


class Found(NamedTuple):
    """The end state, how many steps were tried, and whether the end was reached."""

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


def integrate(field: Callable[[jax.Array, Any], Any], y0: Any, start: jax.Array, end: jax.Array, control: Control) -> Found:
    """`y(end)` of `dy/dt = field(t, y)`, `y(start) = y0` (any pytree)."""
    return _run(field, y0, start, end, control, None)[0]


def integrate_in_reverse(
    field: Callable[..., Any], consts: tuple[Any, ...], y0: Any, start: jax.Array, end: jax.Array, control: Control
) -> Found:
    """`integrate` of `field(t, y, *consts)` with a reverse mode (only): the gradient of the steps taken, their lengths held fixed.

    States are kept at the first 64 steps; where there are more, at every second, fourth and so on, and those between are recomputed.
    """

    def run(y0: Any, consts: Any, checkpoints: int | None) -> Any:
        return _run(lambda t, y: field(t, y, *consts), y0, start, end, control, checkpoints)

    @jax.custom_vjp
    def solve(y0: Any, consts: Any) -> Found:
        return run(y0, consts, None)[0]

    def forward(y0: Any, consts: Any) -> Any:
        found, saved = run(y0, consts, _CHECKPOINTS)
        return found, (saved, y0, consts)

    def backward(kept: Any, pull: Found) -> Any:
        saved, y0, consts = kept
        slope_bar = jax.tree.map(jnp.zeros_like, pull.y)
        (y_bar, slope_bar), consts_bar = _pulled_back(field, consts, control.pair, saved, (pull.y, slope_bar))
        more_y, more_consts = jax.vjp(lambda y, c: field(start, y, *c), y0, consts)[1](slope_bar)
        return jax.tree.map(jnp.add, (y_bar, consts_bar), (more_y, more_consts))

    solve.defvjp(forward, backward)
    return solve(y0, consts)


def _pulled_back(field: Any, consts: Any, pair: Pair, saved: Saved, bar: Any) -> tuple[Any, Any]:
    """The cotangents of the first state with its slope, and of `consts`, from those `bar` of the last."""

    def step(now: Any, consts: Any, i: jax.Array) -> Any:
        # With the slope in the state, the one at the end of a step is evaluated once and not again where the next begins.
        return _step(lambda t, y: field(t, y, *consts), pair, saved.t[i], saved.h[i], *now)[0]

    def body(carry: Any) -> Any:
        i, bar, consts_bar = carry
        kept_at = i // saved.stride
        nearest = jax.tree.map(lambda a: a[kept_at], saved.y)
        now = jax.lax.fori_loop(kept_at * saved.stride, i, lambda j, now: step(now, consts, j), nearest)
        bar, more = jax.vjp(lambda now, c: step(now, c, i), now, consts)[1](bar)
        return i - 1, bar, jax.tree.map(jnp.add, consts_bar, more)

    zeros = jax.tree.map(jnp.zeros_like, consts)
    return jax.lax.while_loop(lambda carry: carry[0] >= 0, body, (saved.num - 1, bar, zeros))[1:]


def _run(field: Any, y0: Any, start: Any, end: Any, control: Control, checkpoints: int | None) -> tuple[Found, Any]:
    length, way, pair = jnp.abs(end - start), jnp.sign(end - start), control.pair

    def body(now: _Loop) -> _Loop:
        # The last step ends exactly at the end: what is left after rounding would be a step of its own.
        last = now.done + now.h >= length
        h = jnp.where(last, length - now.done, now.h)
        t = start + way * now.done
        after, error = _step(field, pair, t, way * h, now.y, now.first)
        r = control.size(error, now.y, after[0])
        good = r <= 1
        y, first = jax.tree.map(lambda a, b: jnp.where(good, a, b), after, (now.y, now.first))
        saved = None if checkpoints is None else saved_with(now.saved, good, t, way * h, (now.y, now.first), checkpoints)
        done = jnp.where(good, jnp.where(last, length, now.done + h), now.done)
        return _Loop(done, (h * _factor(r, pair.order)).astype(h.dtype), y, first, now.tried + 1, saved)

    first = field(start, y0)
    h = _first_step(field, y0, first, start, way, length, control)
    saved = None if checkpoints is None else nothing_saved((y0, first), start, control.max_steps, checkpoints)
    begin = _Loop(jnp.zeros_like(length), h, y0, first, jnp.zeros((), jnp.int32), saved)
    end_of = jax.lax.while_loop(lambda now: (now.done < length) & (now.tried < control.max_steps), body, begin)
    return Found(end_of.y, end_of.tried, end_of.done >= length), end_of.saved


def _step(field: Any, pair: Pair, t: jax.Array, h: jax.Array, y: Any, first: Any) -> tuple[tuple[Any, Any], Any]:
    """The state after one step with its slope, and the error's estimate."""

    def along(weights: tuple[float, ...], slopes: list[Any]) -> Any:
        used = [(w, k) for w, k in zip(weights, slopes, strict=True) if w]
        return jax.tree.map(
            lambda *ks: h * sum((w * k for (w, _), k in zip(used, ks, strict=True)), jnp.zeros((), h.dtype)), *[k for _, k in used]
        )

    slopes = [first]
    for row, c in zip(pair.a[1:], pair.c[1:], strict=True):
        slopes.append(field(t + c * h, jax.tree.map(jnp.add, y, along(row, slopes))))
    end = jax.tree.map(jnp.add, y, along(pair.b, slopes))
    return (end, slopes[-1] if pair.reuses else field(t + h, end)), along(pair.error, slopes)


def _factor(r: jax.Array, order: int) -> jax.Array:
    """By how much the next step is longer than one whose error was `r` times what is tolerated."""
    # Shorter after a step that just passed, too: kept as long, the next one often fails.
    return jnp.where(jnp.isfinite(r), jnp.clip(0.9 * jnp.maximum(r, 1e-10) ** (-1 / order), 0.2, 10), 0.2)


def _first_step(field: Any, y0: Any, first: Any, start: Any, way: Any, length: Any, control: Control) -> jax.Array:
    d0, d1 = control.size(y0, y0, y0), control.size(first, y0, y0)
    small = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = jnp.minimum(jnp.where(small, 1e-6, 0.01 * d0 / jnp.where(small, 1, d1)), length).astype(length.dtype)
    ahead = field(start + way * h0, jax.tree.map(lambda y, f: y + way * h0 * f, y0, first))
    d2 = control.size(jax.tree.map(jnp.subtract, ahead, first), y0, y0) / h0
    most = jnp.maximum(d1, d2)
    h1 = jnp.where(most <= 1e-15, jnp.maximum(1e-6, 1e-3 * h0), (0.01 / jnp.maximum(most, 1e-15)) ** (1 / (control.pair.order + 1)))
    h = jnp.minimum(jnp.minimum(100 * h0, h1), length)
    return jnp.where(jnp.isfinite(h), h, 1e-3 * length).astype(length.dtype)
