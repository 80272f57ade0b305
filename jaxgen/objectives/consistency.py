"""Consistency: all points of one path to the data are mapped to the same data point, from data alone or along a teacher's ODE."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, no_aux, require
from jaxgen.objectives.couplings import Coupling, Pair, resolve
from jaxgen.objectives.denoising import Times, stratified_times
from jaxgen.objectives.pairing import pairing
from jaxgen.paths import Path, linear

Teacher = Callable[[jax.Array, jax.Array, Any], jax.Array]


def consistency(
    model: Model,
    path: Path | None = None,
    *,
    teacher: Teacher | None = None,
    levels: tuple[int, int] = (10, 1280),
    huber: float | None = None,
    coupling: str | Coupling | Pair = "independent",
    times: Times = stratified_times,
) -> Objective:
    """Minimise the distance of `f(x_t, t, 1)` to `f(x_r, r, 1)`, held fixed, at the next time `r = t + 1 / N` of one path (arXiv 2303.01469).

    Without a teacher x_t and x_r share data and noise: consistency training, the target from the same params (arXiv 2310.14189). With one,
    x_r is one step of Heun's method from x_t along `teacher(x, t, cond)`, the velocity of a trained flow: consistency distillation, and
    the target is read from the moving average of the params.

    levels: N doubles from the first to the second over the fit, in equal shares of it (2310.14189, section 3.4): bias falls, variance grows.
    huber: None for half the squared distance a coordinate, which weighs N for the gradient to have a limit; else c of the pseudo-Huber
        distance `sqrt(|a - b|^2 + c^2) - c`, which outliers move less (section 3.3 there; they take 0.00054 sqrt(d)).

    Needs the part `jump`. Raises ValueError for levels that do not grow, or a huber that is not positive.
    """
    first, last = levels
    checks.count("consistency: levels[0]", first)
    checks.count("consistency: levels[1]", last, first)
    if huber is not None:
        checks.number("consistency: huber", huber, above=0)
    require("consistency", model, frozenset({"jump"}))
    jump, path, paired = model.transform.parts["jump"], linear() if path is None else path, pairing(model, resolve(coupling))

    def later(x: jax.Array, z: jax.Array, at: jax.Array, t: jax.Array, r: jax.Array, cond: Any) -> jax.Array:
        if teacher is None:
            return path.at(r, x, z)
        slope = teacher(at, t, cond)
        return at + 0.5 * (r - t) * (slope + teacher(at + (r - t) * slope, r, cond))

    def distance(params: Any, fixed: Any, x: jax.Array, z: jax.Array, t: jax.Array, gap: jax.Array, cond: Any) -> jax.Array:
        r, one = jnp.minimum(t + gap, 1), jnp.ones_like(t)
        at = path.at(t, x, z)
        goal = jump(fixed, later(x, z, at, t, r, cond), r, one, cond)
        error = jump(params, at, t, one, cond) - jax.lax.stop_gradient(goal)
        if huber is None:
            return 0.5 * jnp.mean(error**2) / gap
        return (jnp.sqrt(jnp.sum(error**2) + huber**2) - huber) / gap

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_pair, key_t = jax.random.split(key, 3)
        z, dtype = paired.source(key_z, key_pair, batch), batch.x.dtype
        gap = 1 / num_levels(clock, first, last).astype(dtype)
        fixed = params if teacher is None else clock.ema
        t = times(key_t, batch.x.shape[0], dtype)
        each = jax.vmap(lambda x, z, t, c: distance(params, fixed, x, z, t, gap, c))(batch.x, z, t, batch.cond)
        return jnp.mean(each), {"error": jnp.mean(each)}

    return Objective(no_aux, loss, frozenset({"jump"}), prepare=paired.prepare)


def num_levels(clock: Clock, first: int, last: int) -> jax.Array:
    """`min(first 2^k, last)`, k the number of equal shares of the fit that are over; the last share has `last` (arXiv 2310.14189, eq. 10)."""
    shares = max(last // first, 1).bit_length()
    share = jnp.minimum(clock.step * shares // jnp.maximum(clock.num_steps, 1), shares - 1)
    return jnp.where(share == shares - 1, last, first * 2**share)
