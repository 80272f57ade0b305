"""One step of an embedded Runge-Kutta pair, its error against the tolerance, and the length of the next step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Pair(NamedTuple):
    """Hold the coefficients of an embedded pair of explicit Runge-Kutta methods.

    Attributes:
        a: Row i weighs the slopes before stage i.
        b: The weights of all slopes in the state at the end of a step.
        error: The weights of all slopes in the difference of the two methods, which estimates the error.
        c: The time of each stage, as a fraction of the step.
        order: The order of the method whose state is kept.
        reuses: True if the last slope of a step is the first slope of the next.
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    error: tuple[float, ...]
    c: tuple[float, ...]
    order: int
    reuses: bool


class Control(NamedTuple):
    """Describe how the lengths of steps are chosen: each step's error is held under `atol + rtol |y|`.

    The first guess, the safety factor 0.9 and the step-size factors from 0.2 to 10 are from Hairer, Norsett and Wanner, Solving Ordinary
    Differential Equations I, section II.4.

    Attributes:
        pair: The Runge-Kutta pair.
        rtol: The relative tolerance.
        atol: The absolute tolerance, in units of the state.
        max_steps: The number of steps that are tried at most.
        norm: The norm of a pytree in which the error is measured.
        longest_step: The longest step, as a fraction of the interval.
    """

    pair: Pair
    rtol: float
    atol: float
    max_steps: int
    norm: Callable[[Any], jax.Array]
    longest_step: float = 1.0

    def size(self, values: Any, *beside: Any) -> jax.Array:
        """Return the norm of `values` in units of the tolerance `atol + rtol |y|`, y the larger of the two states `beside`."""
        scale = jax.tree.map(lambda *ys: self.atol + self.rtol * jnp.maximum(*map(jnp.abs, ys)), *beside)
        return self.norm(jax.tree.map(jnp.divide, values, scale))


def step(field: Any, pair: Pair, t: jax.Array, h: jax.Array, y: Any, first: Any) -> tuple[tuple[Any, Any], Any]:
    """Take one step of a Runge-Kutta pair.

    Args:
        field: `(t, y) -> dy/dt`, a pytree like `y`.
        pair: The coefficients.
        t: The time at the beginning of the step.
        h: The length of the step, negative for a solve backwards in time.
        y: The state at `t`, any pytree of arrays.
        first: The slope at `t`, a pytree like `y`.

    Returns:
        The state and slope at `t + h`, and the estimate of the error.
    """

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


def step_factor(r: jax.Array, order: int) -> jax.Array:
    """Return the step-size factor after a step with error ratio `r` (error / tolerance).

    Args:
        r: The error ratio, a scalar; a step of ratio above 1 is repeated.
        order: The order of the method.

    Returns:
        The factor by which the next step is longer, between 0.2 and 10.
    """
    # Shorter after a step that just passed, too: kept as long, the next one often fails.
    return jnp.where(jnp.isfinite(r), jnp.clip(0.9 * jnp.maximum(r, 1e-10) ** (-1 / order), 0.2, 10), 0.2)


def first_step(field: Any, y0: Any, first: Any, start: Any, way: Any, length: Any, control: Control) -> jax.Array:
    """Return the length of the first step, from the state, its slope and the change of the slope over a short Euler step.

    Args:
        field: `(t, y) -> dy/dt`, a pytree like `y`.
        y0: The state at `start`.
        first: The slope at `start`.
        start: The first time, a scalar.
        way: The direction of time, 1 or -1.
        length: The length of the whole interval.
        control: The tolerances and the norm.

    Returns:
        The length, at most `length`.
    """
    d0, d1 = control.size(y0, y0, y0), control.size(first, y0, y0)
    small = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = jnp.minimum(jnp.where(small, 1e-6, 0.01 * d0 / jnp.where(small, 1, d1)), length).astype(length.dtype)
    ahead = field(start + way * h0, jax.tree.map(lambda y, f: y + way * h0 * f, y0, first))
    d2 = control.size(jax.tree.map(jnp.subtract, ahead, first), y0, y0) / h0
    most = jnp.maximum(d1, d2)
    h1 = jnp.where(most <= 1e-15, jnp.maximum(1e-6, 1e-3 * h0), (0.01 / jnp.maximum(most, 1e-15)) ** (1 / (control.pair.order + 1)))
    h = jnp.minimum(jnp.minimum(100 * h0, h1), length)
    return jnp.where(jnp.isfinite(h), h, 1e-3 * length).astype(length.dtype)
