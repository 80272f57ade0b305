"""Label dropout: which share of rows loses its condition, what takes its place, and what the objective under it still sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import objectives
from jaxgen.objective import Batch, Clock, Objective, no_aux

CLOCK = Clock(jnp.asarray(0), jnp.asarray(10), None)
BATCH = Batch(jnp.arange(1_000.0)[:, None], jnp.tile(jnp.asarray([[3.0, 4.0]]), (1_000, 1)), jnp.ones((1_000, 1)))
READER = Objective(
    no_aux, lambda params, aux, key, batch, clock: (jnp.zeros(()), {"batch": batch, "aux": (params, aux, clock), "key": key})
)


def read(**options):
    return objectives.without_condition(READER, **options).loss(1, 2, jax.random.key(0), BATCH, CLOCK)[1]


def test_whole_rows_lose_their_condition_in_the_share_that_is_asked_for():
    metrics = read(share=0.3, null_cond=jnp.asarray([-1.0, -2.0]))
    cond = np.asarray(metrics["batch"].cond)
    dropped = cond[:, 0] == -1
    assert abs(dropped.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 1_000)
    np.testing.assert_array_equal(cond, np.where(dropped[:, None], [-1.0, -2.0], [3.0, 4.0]))
    assert metrics["batch"].x is BATCH.x and metrics["batch"].z is BATCH.z and metrics["aux"] == (1, 2, CLOCK)


def test_nothing_is_dropped_with_a_share_of_zero():
    np.testing.assert_array_equal(read(share=0.0)["batch"].cond, BATCH.cond)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"without_condition: share=1\.0"):
        read(share=1.0)
    with pytest.raises(ValueError, match="without_condition: batch.cond=None; accepted"):
        objectives.without_condition(READER).loss(1, 2, jax.random.key(0), BATCH._replace(cond=None), CLOCK)
