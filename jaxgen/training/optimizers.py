"""Optimisers as functions of the number of steps, from optax."""

import math
from collections.abc import Callable, Hashable
from numbers import Real
from typing import Any

import jax
import optax

from jaxgen import checks

Optimizer = Callable[[int], optax.GradientTransformation]


def adam(
    learning_rate: float = 1e-3,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    clip: float | None = 1.0,
    warmup: float = 0.02,
    floor: float = 0.0,
    cycles: int = 1,
) -> Optimizer:
    """Adam with cosine decay from `learning_rate` to `floor` times it, after a linear warm-up over a share `warmup` of the steps.

    Gradients are clipped to global norm `clip`. cycles: how often that schedule runs, each time over an equal share of the steps, for
    objectives that train in rounds. Raises ValueError for a learning rate that is not positive.
    """
    checks.count("cycles", cycles)
    if not (isinstance(learning_rate, Real) and 0 < learning_rate < math.inf):
        raise ValueError(f"learning_rate={learning_rate!r}; accepted: a positive, finite number.")

    def build(num_steps: int) -> optax.GradientTransformation:
        length = max(1, -(-num_steps // cycles))
        warm = min(max(1, round(warmup * length)), max(1, length - 1))
        once = optax.warmup_cosine_decay_schedule(
            0.0 if length > 1 else learning_rate, learning_rate, warm, max(length, warm + 1), floor * learning_rate
        )
        schedule = once if cycles == 1 else lambda count: once(count % length)
        clipping = optax.identity() if clip is None else optax.clip_by_global_norm(clip)
        return optax.chain(clipping, optax.adam(schedule, b1, b2))

    return build


def players(generator: Optimizer, critic: Optimizer) -> Optimizer:
    """One optimiser for each player of a game, with its own clipping: `generator` for params, `critic` for aux."""

    def labels(trained: tuple[Any, Any]) -> tuple[Any, Any]:
        params, aux = trained
        return jax.tree.map(lambda _: "generator", params), jax.tree.map(lambda _: "critic", aux)

    return lambda num_steps: optax.partition({"generator": generator(num_steps), "critic": critic(num_steps)}, labels)


def in_turn(first: Optimizer, second: Optimizer, labels: Callable[[tuple[Any, Any]], Any]) -> Optimizer:
    """`first` over the first half of the steps and `second` over the rest, each on what `labels` of `(params, aux)` marks "first" or "second".

    Whose turn it is not stands still to the last bit: no momentum moves it and no moment fades. For objectives of two stages.
    """

    def build(num_steps: int) -> optax.GradientTransformation:
        half = -(-num_steps // 2)

        def is_first(step: Any, **extra: Any) -> Any:
            return step < half

        def is_second(step: Any, **extra: Any) -> Any:
            return step >= half

        turns: dict[Hashable, optax.GradientTransformation] = {
            "first": optax.conditionally_mask(first(half), is_first),
            "second": optax.conditionally_mask(second(max(1, num_steps - half)), is_second),
        }
        return optax.partition(turns, labels)

    return build
