"""A number of steps that fits into a given time, measured on the compiled program before training begins."""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.training.chunk import Chunk, Plan
from jaxgen.types import PyTree

SECONDS = 2.0
"""Steps are measured for about so long."""


Agreed = Callable[[float], tuple[float, ...]]


def within(minutes: float | None, plan: Plan, done: int, make: Callable[[Plan], Chunk], agreed: Agreed) -> tuple[Plan, Chunk]:
    """Return the plan with no more steps than fit into the time, and its compiled chunk.

    If all steps fit, the chunk that was measured is returned, so nothing is compiled twice.

    Args:
        minutes: The most minutes of training, compilation not counted; None takes all steps and measures nothing.
        plan: The plan with all steps.
        done: The number of steps that are done already.
        make: Compiles the chunk of a plan, from the same state each time.
        agreed: Returns a number of the first of several processes, as `Placement.agreed` does.

    Returns:
        The plan and the chunk. There is at least one step to do.
    """
    chunk = make(plan)
    if minutes is None:
        return plan, chunk
    most = done + max(1, int(60 * minutes / seconds_a_step(chunk, plan, done, agreed)))
    if most >= plan.num_steps:
        return plan, chunk
    plan = plan._replace(num_steps=most)
    # The learning rate falls to zero at the last step, so another number of steps is another program.
    shorter = make(plan)
    return plan, shorter._replace(compile_seconds=shorter.compile_seconds + chunk.compile_seconds)


def seconds_a_step(chunk: Chunk, plan: Plan, done: int, agreed: Agreed) -> float:
    """Return the seconds of a training step, measured on copies of the state, which stays as it was.

    Args:
        chunk: The compiled chunk.
        plan: Its plan.
        done: The number of steps that are done already.
        agreed: As in `within`.
    """

    def timed(state: PyTree, num: int) -> tuple[PyTree, float]:
        began = time.perf_counter()
        state, _ = chunk.run(state, done, done + num)
        return state, agreed(time.perf_counter() - began)[0]

    # The first step waits for memory and caches.
    state, _ = timed(jax.tree.map(jnp.copy, chunk.state), 1)
    state, once = timed(state, 1)
    num = min(int(SECONDS / max(once, 1e-9)), plan.chunk_length(), plan.num_steps - done)
    return once if num <= 1 else timed(state, num)[1] / num
