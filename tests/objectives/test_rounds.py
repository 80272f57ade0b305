"""Rounds of a fit: they are equal shares, and what is prepared and what is judged begin and end with them."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, objectives
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Clock
from jaxgen.objectives.rounds import round_at

MODEL = Model(bases.normal((2,)), T.ode_flow(lambda *a: (), lambda params, x, t, cond=None: x))


@pytest.mark.parametrize("rounds", [1, 2, 3, 7])
def test_plans_are_for_the_first_round_and_judgement_is_of_the_last(rounds):
    """At the lengths where a share that is rounded first would be a step late, such as 9 of three rounds, too."""
    objective = objectives.reflow(MODEL, rounds)
    for num_steps in (9, 10, 15, 18, 100):
        at = np.asarray(round_at(Clock(jnp.arange(num_steps + 1), num_steps, None), rounds))
        assert set(at[:-1]) == set(range(rounds)) and np.all(np.diff(at) >= 0) and at[-1] == rounds - 1
        assert np.ptp(np.bincount(at[:-1])) <= 1
        assert math.ceil(objective.schedule.prepare_until * num_steps) == np.sum(at[:-1] == 0)
        assert math.ceil(objective.schedule.judge_from * num_steps) == np.argmax(at == rounds - 1)
