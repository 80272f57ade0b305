"""The steps of a training at which the validation loss is taken."""

import bisect
from collections.abc import Sequence

GROWTH = 1.1
"""The ratio of two steps, one after the other, at which the loss is taken by default."""
FEWEST = 5
"""The fewest steps between two validation losses by default."""
SHARE = 0.2
"""Validation takes at most about this fraction of the work of the training."""
WORK_OF_A_STEP = 3
"""A training step works as much on an event as three evaluations of its loss, because of the gradient."""


def look_steps(num_steps: int, eval_every: int | None = None, *, num_events: int = 1, batch_size: int = 1) -> tuple[int, ...]:
    """Return the steps after which a training takes the validation loss; the last one is always among them.

    By default they are a geometric grid, 5, 10, ..., 50, 55, 61, ...: a model may overfit after twenty steps or after twenty thousand, and
    a grid of a constant ratio finds either within a tenth. Where validation takes more work than a fifth of the training up to a step, the grid
    begins later.

    Args:
        num_steps: The number of steps of the whole training.
        eval_every: The number of steps between validation losses; None takes the geometric grid.
        num_events: The number of events of one validation.
        batch_size: The number of events of a training step.

    Returns:
        The steps in ascending order.

    >>> look_steps(23), look_steps(10, 4)
    ((5, 10, 15, 20, 23), (4, 8, 10))
    """
    gap = max(FEWEST, round(num_events / (WORK_OF_A_STEP * batch_size * SHARE))) if eval_every is None else eval_every
    steps, step = [], gap
    while step < num_steps:
        steps.append(step)
        step = max(step + gap, round(step * GROWTH)) if eval_every is None else step + gap
    return (*steps, num_steps)


def end_of_chunk(done: int, longest: int, looks: Sequence[int]) -> int:
    """Return the step at which the chunk ends that begins after `done` steps: the next look, or sooner if it is further than `longest`.

    Args:
        done: The number of steps done, fewer than the last look.
        longest: The most steps of a chunk.
        looks: The steps of validation losses in ascending order, the last one the end of the training.

    >>> end_of_chunk(0, 100, (5, 10)), end_of_chunk(10, 100, (5, 10, 400))
    (5, 110)
    """
    return min(done + longest, looks[bisect.bisect_right(looks, done)])
