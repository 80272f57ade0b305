"""Adaptive explicit Runge-Kutta pairs with one step for the whole state, as plain loops: fast to compile, fast to run, fast in reverse."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

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


class _Saved(NamedTuple):
    """Where the accepted steps began: all times and lengths, and every `stride`-th state."""

    num: jax.Array
    stride: jax.Array
    t: jax.Array
    h: jax.Array
    y: Any


def integrate(
    field: Callable[[jax.Array, Any], Any],
    y0: Any,
    start: jax.Array,
    end: jax.Array,
    pair: Pair,
    rtol: float,
    atol: float,
    max_steps: int,
    norm: Callable[[Any], jax.Array],
) -> Found:
    """`y(end)` of `dy/dt = field(t, y)`, each step's error held under `atol + rtol |y|` in `norm`; at most `max_steps` tries.

    The step is chosen as in Hairer, Norsett and Wanner (Solving ODEs I, section II.4): their first guess, safety 0.9, factors 0.2 to 10.
    """
    return _run(field, y0, start, end, pair, rtol, atol, max_steps, norm, None)[0]


def integrate_in_reverse(
    field: Callable[..., Any],
    consts: tuple[Any, ...],
    y0: Any,
    start: jax.Array,
    end: jax.Array,
    pair: Pair,
    rtol: float,
    atol: float,
    max_steps: int,
    norm: Callable[[Any], jax.Array],
) -> Found:
    """`integrate` of `field(t, y, *consts)` with a reverse mode (only): the gradient of the steps taken, their lengths held fixed.

    States are kept at the first 64 steps; where there are more, at every second, fourth and so on, and those between are recomputed.
    """

    @jax.custom_vjp
    def solve(y0: Any, consts: Any) -> Found:
        return _run(lambda t, y: field(t, y, *consts), y0, start, end, pair, rtol, atol, max_steps, norm, None)[0]

    def forward(y0: Any, consts: Any) -> Any:
        found, saved = _run(lambda t, y: field(t, y, *consts), y0, start, end, pair, rtol, atol, max_steps, norm, _CHECKPOINTS)
        return found, (saved, consts)

    def backward(kept: Any, pull: Any) -> Any:
        saved, consts = kept

        def step(y: Any, consts: Any, i: jax.Array) -> Any:
            t, h = saved.t[i], saved.h[i]
            return _step(lambda t, y: field(t, y, *consts), pair, t, h, y, field(t, y, *consts))[0]

        def body(carry: Any) -> Any:
            i, y_bar, consts_bar = carry
            kept_at = i // saved.stride
            nearest = jax.tree.map(lambda a: a[kept_at], saved.y)
            y = jax.lax.fori_loop(kept_at * saved.stride, i, lambda j, y: step(y, consts, j), nearest)
            y_bar, more = jax.vjp(lambda y, c: step(y, c, i), y, consts)[1](y_bar)
            return i - 1, y_bar, jax.tree.map(jnp.add, consts_bar, more)

        zeros = jax.tree.map(jnp.zeros_like, consts)
        _, y_bar, consts_bar = jax.lax.while_loop(lambda carry: carry[0] >= 0, body, (saved.num - 1, pull.y, zeros))
        return y_bar, consts_bar

    solve.defvjp(forward, backward)
    return solve(y0, consts)


def _run(
    field: Any, y0: Any, start: Any, end: Any, pair: Pair, rtol: float, atol: float, max_steps: int, norm: Any, checkpoints: int | None
) -> tuple[Found, Any]:
    length, way = jnp.abs(end - start), jnp.sign(end - start)

    def size(values: Any, *beside: Any) -> jax.Array:
        scale = jax.tree.map(lambda *ys: atol + rtol * jnp.maximum(*map(jnp.abs, ys)), *beside)
        return norm(jax.tree.map(jnp.divide, values, scale))

    def body(now: _Loop) -> _Loop:
        # The last step ends exactly at the end: what is left after rounding would be a step of its own.
        last = now.done + now.h >= length
        h = jnp.where(last, length - now.done, now.h)
        t = start + way * now.done
        y, error, slopes = _step(field, pair, t, way * h, now.y, now.first)
        r = size(error, now.y, y)
        good = r <= 1
        factor = jnp.clip(0.9 * jnp.maximum(r, 1e-10) ** (-1 / pair.order), 0.2, 10)
        factor = jnp.where(jnp.isfinite(r), jnp.where(good, jnp.maximum(factor, 1), jnp.minimum(factor, 1)), 0.2)
        after = slopes[-1] if pair.reuses else field(t + way * h, y)
        y, first = (jax.tree.map(lambda a, b: jnp.where(good, a, b), *two) for two in ((y, now.y), (after, now.first)))
        saved = None if checkpoints is None else _save(now.saved, good, t, way * h, now.y, checkpoints)
        done = jnp.where(good, jnp.where(last, length, now.done + h), now.done)
        return _Loop(done, (h * factor).astype(h.dtype), y, first, now.tried + 1, saved)

    first = field(start, y0)
    h = _first_step(field, y0, first, start, way, length, pair.order, size)
    saved = None if checkpoints is None else _nothing_saved(y0, start, max_steps, checkpoints)
    begin = _Loop(jnp.zeros_like(length), h, y0, first, jnp.zeros((), jnp.int32), saved)
    end_of = jax.lax.while_loop(lambda now: (now.done < length) & (now.tried < max_steps), body, begin)
    return Found(end_of.y, end_of.tried, end_of.done >= length), end_of.saved


def _step(field: Any, pair: Pair, t: jax.Array, h: jax.Array, y: Any, first: Any) -> tuple[Any, Any, list[Any]]:
    """The state after one step, the error's estimate and the slopes."""

    def along(weights: tuple[float, ...], slopes: list[Any]) -> Any:
        used = [(w, k) for w, k in zip(weights, slopes, strict=True) if w]
        return jax.tree.map(
            lambda *ks: h * sum((w * k for (w, _), k in zip(used, ks, strict=True)), jnp.zeros((), h.dtype)), *[k for _, k in used]
        )

    slopes = [first]
    for row, c in zip(pair.a[1:], pair.c[1:], strict=True):
        slopes.append(field(t + c * h, jax.tree.map(jnp.add, y, along(row, slopes))))
    return jax.tree.map(jnp.add, y, along(pair.b, slopes)), along(pair.error, slopes), slopes


def _first_step(field: Any, y0: Any, first: Any, start: Any, way: Any, length: Any, order: int, size: Any) -> jax.Array:
    d0, d1 = size(y0, y0, y0), size(first, y0, y0)
    small = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = jnp.minimum(jnp.where(small, 1e-6, 0.01 * d0 / jnp.where(small, 1, d1)), length).astype(length.dtype)
    ahead = field(start + way * h0, jax.tree.map(lambda y, f: y + way * h0 * f, y0, first))
    d2 = size(jax.tree.map(jnp.subtract, ahead, first), y0, y0) / h0
    most = jnp.maximum(d1, d2)
    h1 = jnp.where(most <= 1e-15, jnp.maximum(1e-6, 1e-3 * h0), (0.01 / jnp.maximum(most, 1e-15)) ** (1 / (order + 1)))
    h = jnp.minimum(jnp.minimum(100 * h0, h1), length)
    return jnp.where(jnp.isfinite(h), h, 1e-3 * length).astype(length.dtype)


def _nothing_saved(y0: Any, start: jax.Array, max_steps: int, checkpoints: int) -> _Saved:
    times = jnp.zeros(max_steps, start.dtype)
    states = jax.tree.map(lambda y: jnp.zeros((checkpoints, *y.shape), y.dtype), y0)
    return _Saved(jnp.zeros((), jnp.int32), jnp.ones((), jnp.int32), times, times, states)


def _save(saved: _Saved, good: jax.Array, t: jax.Array, h: jax.Array, y: Any, checkpoints: int) -> _Saved:
    """With this step where it is `good`; full, every other state makes room."""
    full = saved.num == checkpoints * saved.stride

    def thinned(a: jax.Array) -> jax.Array:
        return jnp.concatenate([a[::2], jnp.zeros_like(a[::2])])

    states = jax.lax.cond(full, lambda ys: jax.tree.map(thinned, ys), lambda ys: ys, saved.y)
    stride = jnp.where(full, 2 * saved.stride, saved.stride)
    place = jnp.where(good & (saved.num % stride == 0), saved.num // stride, checkpoints)
    states = jax.tree.map(lambda a, b: a.at[place].set(b, mode="drop"), states, y)
    at = jnp.where(good, saved.num, saved.t.shape[0])
    return _Saved(saved.num + good, stride, saved.t.at[at].set(t, mode="drop"), saved.h.at[at].set(h, mode="drop"), states)
