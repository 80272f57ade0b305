"""Consistency: all points of one path to the data are mapped to the same data point, from data alone or along a teacher's ODE."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, drawn, no_aux, require
from jaxgen.objectives.couplings import CouplingLike
from jaxgen.objectives.discrepancy import energy
from jaxgen.objectives.pairing import pairing
from jaxgen.objectives.times import Times, stratified_times
from jaxgen.paths import Path, linear
from jaxgen.types import Aux, Cond, Key, Params

Teacher: TypeAlias = Callable[[jax.Array, jax.Array, Cond], jax.Array]
"""The velocity `(x, t, cond) -> rate of x` of a trained flow, for one event."""


def consistency(
    model: Model,
    path: Path | None = None,
    *,
    teacher: Teacher | None = None,
    levels: tuple[int, int] = (10, 1280),
    huber: float | None = None,
    coupling: CouplingLike = "independent",
    times: Times = stratified_times,
) -> Objective:
    """Minimise the distance between the jumps to the data from two neighbouring times of one path.

    The jumps are `f(x_t, t, 1)` and `f(x_r, r, 1)` with `r = t + 1 / N`.

    The second jump is held fixed. Without a teacher x_t and x_r share data and noise, and the second jump has the same params: this is
    consistency training. With a teacher, x_r is one step of Heun's method from x_t along the teacher's ODE, and the second jump has the
    moving average of the params: this is consistency distillation.

    Args:
        model: A model whose transform has the part `jump (params, x, t, s, cond)`, such as a `flow_map`.
        path: The path between noise and data. None is the straight line.
        teacher: The velocity `(x, t, cond)` of a trained flow on the same path, or None.
        levels: N doubles from the first number to the second in equal shares of training. A larger N has less bias and more variance.
        huber: None takes half the squared distance per coordinate, times N so that the gradient has a limit. A number c takes the
            pseudo-Huber distance `sqrt(|a - b|^2 + c^2) - c`, which outliers move less; the paper takes `0.00054 sqrt(d)`.
        coupling: Which noise meets which event, as `flow_matching` takes it.
        times: `(key, num, dtype) -> (num,)`, the times t in [0, 1].

    Returns:
        An objective whose metric is `error`, the loss.

    Raises:
        ValueError: `levels` do not grow from at least 1, `huber` is not positive, or `coupling` is unknown.
        PairingError: The transform lacks the part `jump`.

    Source: arXiv 2303.01469; arXiv 2310.14189, sections 3.3 and 3.4.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> to_data = lambda params, x, t, s, cond=None: (3.0 - x) / jax.numpy.where(t < 1, 1 - t, 1)
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.flow_map(lambda key, z, cond=None: (), to_data))
    >>> objective = consistency(model, times=lambda key, num, dtype: jax.numpy.linspace(0, 0.8, num))
    >>> loss, _ = objective.loss((), (), jax.random.key(0), Batch(jax.numpy.full((4, 2), 3.0)), Clock(0, 1, ()))
    >>> abs(round(float(loss), 6))  # All data are 3, and every jump ends there.
    0.0
    """
    first, last = levels
    checks.count("consistency: levels[0]", first)
    checks.count("consistency: levels[1]", last, first)
    if huber is not None:
        checks.number("consistency: huber", huber, above=0)
    require("consistency", model, frozenset({"jump"}))
    jump, path, paired = model.transform.parts["jump"], path or linear(), pairing("consistency", model, coupling)

    def later(x: jax.Array, z: jax.Array, x_t: jax.Array, t: jax.Array, r: jax.Array, cond: Cond) -> jax.Array:
        if teacher is None:
            return path.at(r, x, z)
        slope = teacher(x_t, t, cond)
        return x_t + 0.5 * (r - t) * (slope + teacher(x_t + (r - t) * slope, r, cond))

    def distance(params: Params, fixed: Params, x: jax.Array, z: jax.Array, t: jax.Array, gap: jax.Array, cond: Cond) -> jax.Array:
        r, end = jnp.minimum(t + gap, 1), jnp.ones_like(t)
        x_t = path.at(t, x, z)
        goal = jump(fixed, later(x, z, x_t, t, r, cond), r, end, cond=cond)
        error = jump(params, x_t, t, end, cond=cond) - jax.lax.stop_gradient(goal)
        if huber is None:
            return 0.5 * jnp.mean(error**2) / gap
        return (jnp.sqrt(jnp.sum(error**2) + huber**2) - huber) / gap

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_pair, key_t = jax.random.split(key, 3)
        z, dtype = paired.source(key_z, key_pair, batch), batch.x.dtype
        gap = 1 / num_levels(clock, first, last).astype(dtype)
        fixed = params if teacher is None else clock.ema
        t = drawn(batch, lambda num: times(key_t, num, dtype))
        error = jnp.mean(jax.vmap(lambda x, z, t, c: distance(params, fixed, x, z, t, gap, c))(batch.x, z, t, batch.cond))
        return error, {"error": error}

    return Objective(no_aux, loss, prepare=paired.prepare, additive=paired.additive, judge=energy(model).loss)


def num_levels(clock: Clock, first: int, last: int) -> jax.Array:
    """Return `min(first 2^k, last)`, k being the number of equal shares of training that are over; the last share has `last`.

    Args:
        clock: Where training stands.
        first: The number of levels in the first share.
        last: The number of levels in the last share.

    Source: arXiv 2310.14189, equation 10.

    >>> [int(num_levels(Clock(step, 100, ()), 10, 40)) for step in (0, 50, 99)]
    [10, 20, 40]
    """
    shares = max(last // first, 1).bit_length()
    share = jnp.minimum(clock.step * shares // jnp.maximum(clock.num_steps, 1), shares - 1)
    return jnp.where(share == shares - 1, last, first * 2**share)
