"""Optimisers as functions of the number of steps, from optax."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.training.cooling import cooling
from jaxgen.types import Aux, Params, PyTree

Trained = tuple[Params, Aux]


class Optimizer(Protocol):
    """Build the optax transformation of `(params, aux)` for a training of so many steps, as schedules need their number."""

    def __call__(self, num_steps: int, /) -> optax.GradientTransformation: ...


OptimizerLike: TypeAlias = Optimizer | optax.GradientTransformation
"""An optax optimiser, or a function of the number of steps that returns one."""


def updates_of(optimizer: OptimizerLike, num_steps: int) -> optax.GradientTransformation:
    """Return the optax transformation of an entry's optimiser for a training of `num_steps` steps.

    Args:
        optimizer: A function of the number of steps, or a transformation, which is the same for every number.
        num_steps: The number of steps.

    >>> import optax
    >>> sgd = optax.sgd(0.1)
    >>> updates_of(sgd, 100) is sgd
    True
    """
    return optimizer if isinstance(optimizer, optax.GradientTransformation) else optimizer(num_steps)


@dataclass(frozen=True)
class Adam:
    """Build Adam for a training of so many steps; `adam` makes one, and `dataclasses.replace` one with another number.

    Attributes:
        learning_rate: The learning rate at the end of the warm-up.
        b1: The decay of the mean of the gradients.
        b2: The decay of the mean of the squared gradients.
        clip: The largest global norm of a gradient, or None.
        warmup: The fraction of the steps of a cycle over which the learning rate rises.
        cycles: How often the schedule runs.
        weight_decay: The share of each parameter, times the learning rate, that a step takes away; None is none, unless `fit` validates and
            chooses it by the number of rows.
        cools: Whether a fit that stops early lets the learning rate fall to zero from the best params on.
    """

    learning_rate: float
    b1: float
    b2: float
    clip: float | None
    warmup: float
    cycles: int
    weight_decay: float | None
    cools: bool = False

    def __call__(self, num_steps: int, /) -> optax.GradientTransformation:
        """Return the optax transformation for a training of `num_steps` steps."""
        rate, length = self.learning_rate, max(1, -(-num_steps // self.cycles))
        warm = min(max(1, round(self.warmup * length)), max(1, length - 1))
        cycle = optax.warmup_cosine_decay_schedule(0.0 if length > 1 else rate, rate, warm, max(length, warm + 1))
        schedule = cycle if self.cycles == 1 else lambda count: cycle(count % length)
        clipping = optax.identity() if self.clip is None else optax.clip_by_global_norm(self.clip)
        # As `optax.adam` and `optax.adamw`, with a state that is the same for both: a run whose decay `fit` has chosen is read without knowing it.
        moves = optax.chain(_direction(self.b1, self.b2, self.weight_decay or 0.0), optax.scale_by_learning_rate(schedule))
        return optax.chain(clipping, moves, *([cooling()] if self.cools else []))


def _direction(b1: float, b2: float, weight_decay: float) -> optax.GradientTransformation:
    """Return Adam's direction, with decayed weights, before it is scaled by the learning rate."""
    adam_direction = optax.scale_by_adam(b1, b2)
    if not weight_decay:
        return adam_direction
    decay = optax.add_decayed_weights(weight_decay)

    def update(updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None) -> tuple[optax.Updates, optax.OptState]:
        updates, state = adam_direction.update(updates, state, params)
        return decay.update(updates, optax.EmptyState(), params)[0], state

    return optax.GradientTransformation(adam_direction.init, update)


def adam(
    learning_rate: float = 1e-3,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    clip: float | None = 1.0,
    warmup: float = 0.02,
    cycles: int = 1,
    weight_decay: float | None = 0.0,
    cools: bool = False,
) -> Adam:
    """Build Adam with clipped gradients, a linear warm-up and a cosine decay to zero.

    Args:
        learning_rate: The learning rate at the end of the warm-up.
        b1: The decay of the mean of the gradients.
        b2: The decay of the mean of the squared gradients.
        clip: The largest global norm of a gradient; a longer gradient is shortened to it. None does not clip.
        warmup: The fraction of the steps of a cycle over which the learning rate rises.
        cycles: How often the schedule runs, each time over an equal share of the steps, for objectives that train in rounds.
        weight_decay: The share of each parameter, times the learning rate, that a step takes away; few rows want about 1. None lets a
            `fit` with validation choose it by the number of rows: 1 up to 2,000, and less for more.
        cools: Whether a `fit` that stops early goes back to its best params and lets the learning rate fall from there to zero, over half as
            many steps as led to them: params at a high learning rate are noisy, and seldom the best that this number of steps can give.

    Returns:
        The optimiser, a function of the number of steps.

    Raises:
        ValueError: `learning_rate` or `clip` is not positive, `warmup` no fraction, `cycles` no count or `weight_decay` negative.

    Source: arXiv 1412.6980, algorithm 1; arXiv 1608.03983, equation 5; arXiv 1711.05101, algorithm 2.

    >>> import jax.numpy as jnp
    >>> transformation = adam(0.1, warmup=0.5)(4)
    >>> state = transformation.init(jnp.zeros(1))
    >>> float(transformation.update(jnp.ones(1), state)[0][0])  # the warm-up begins at zero
    0.0
    """
    checks.number("adam: learning_rate", learning_rate, above=0)
    checks.number("adam: warmup", warmup, least=0, most=1)
    checks.count("adam: cycles", cycles)
    if weight_decay is not None:
        checks.number("adam: weight_decay", weight_decay, least=0)
    if clip is not None:
        checks.number("adam: clip", clip, above=0)

    return Adam(learning_rate, b1, b2, clip, warmup, cycles, weight_decay, cools)


def players(generator: OptimizerLike, critic: OptimizerLike) -> Optimizer:
    """Give each player of a game its own optimiser, and so its own clipping.

    Args:
        generator: The optimiser of the params.
        critic: The optimiser of the auxiliaries.

    Returns:
        An optimiser of the tuple `(params, aux)`.

    >>> import jax.numpy as jnp
    >>> state = players(adam(1e-3), adam(1e-4))(100).init((jnp.zeros(2), jnp.zeros(3)))
    >>> sorted(state.inner_states)
    ['critic', 'generator']
    """

    def labels(trained: Trained) -> tuple[PyTree, PyTree]:
        params, aux = trained
        return jax.tree.map(lambda _: "generator", params), jax.tree.map(lambda _: "critic", aux)

    def build(num_steps: int) -> optax.GradientTransformation:
        return optax.partition({"generator": updates_of(generator, num_steps), "critic": updates_of(critic, num_steps)}, labels)

    return build


def in_turn(first: OptimizerLike, second: OptimizerLike, labels: Callable[[Trained], PyTree]) -> Optimizer:
    """Train with one optimiser over the first half of the steps and with another over the rest, for objectives of two stages.

    What is not trained stays equal to the last bit: no momentum moves it and none of its moments fades.

    Args:
        first: The optimiser of the first half.
        second: The optimiser of the second half.
        labels: `labels((params, aux))` marks each leaf "first" or "second" by the optimiser that trains it.

    Returns:
        An optimiser of the tuple `(params, aux)`.

    >>> import jax.numpy as jnp
    >>> descent = lambda num_steps: optax.sgd(0.5)
    >>> optimizer, trained = in_turn(descent, descent, lambda trained: ("first", "second"))(10), (jnp.ones(()), jnp.ones(()))
    >>> [float(move) for move in optimizer.update(trained, optimizer.init(trained), trained)[0]]
    [-0.5, 0.0]
    """

    def build(num_steps: int) -> optax.GradientTransformation:
        half = -(-num_steps // 2)

        def is_first(step: ArrayLike, **extra: object) -> jax.Array:
            return jnp.less(step, half)

        def is_second(step: ArrayLike, **extra: object) -> jax.Array:
            return jnp.greater_equal(step, half)

        turns: dict[Hashable, optax.GradientTransformation] = {
            "first": optax.conditionally_mask(updates_of(first, half), is_first),
            "second": optax.conditionally_mask(updates_of(second, max(1, num_steps - half)), is_second),
        }
        return optax.partition(turns, labels)

    return build
