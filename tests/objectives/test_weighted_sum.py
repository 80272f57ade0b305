"""A weighted sum of objectives: losses and gradients add, auxiliaries and preparation stay with their owners."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import objectives
from jaxgen.objective import Batch, Clock, Objective, Schedule, no_aux

BATCH, CLOCK = Batch(jnp.full((4, 1), 2.0)), Clock(jnp.asarray(3), jnp.asarray(10), None)


def power(k):
    """The loss `params^k mean(x)`, with an auxiliary that counts updates."""

    def loss(params, aux, key, batch, clock):
        return params**k * jnp.mean(batch.x) + aux, {"power": jnp.asarray(k)}

    return Objective(
        lambda key, params, batch: (params + k, jnp.asarray(0.0)), loss, update=lambda params, aux, key, batch, clock: aux + 10 * k
    )


def test_losses_and_gradients_are_the_weighted_sum():
    total = objectives.weighted_sum({"one": power(1), "two": power(2)}, {"one": 3.0, "two": 0.5})
    params, aux = total.init(jax.random.key(0), jnp.asarray(2.0), BATCH)
    assert float(params) == 5.0 and set(aux) == {"one", "two"}
    (value, metrics), (g, g_aux) = jax.value_and_grad(total.loss, (0, 1), has_aux=True)(params, aux, jax.random.key(0), BATCH, CLOCK)
    np.testing.assert_allclose([value, g], [3 * 10 + 0.5 * 50, 3 * 2 + 0.5 * 2 * 2 * 5], rtol=1e-6)
    assert (float(g_aux["one"]), float(g_aux["two"])) == (3.0, 0.5)
    assert {name: float(m) for name, m in metrics.items()} == {"one": 10, "two": 50, "one_power": 1, "two_power": 2}
    assert {name: float(a) for name, a in total.update(params, aux, jax.random.key(0), BATCH, CLOCK).items()} == {"one": 10, "two": 20}
    assert total.prepare is None and total.finish is None


def test_what_one_objective_prepares_and_finishes_is_done_and_stages_are_waited_for():
    staged = power(1)._replace(
        update=None,
        prepare=lambda key, batch: batch._replace(z=batch.x + 1),
        finish=lambda params, aux, data: params + aux,
        schedule=Schedule(0.3, 0.6),
    )
    total = objectives.weighted_sum({"staged": staged, "plain": power(2)._replace(update=None)}, {"staged": 1.0, "plain": 1.0})
    assert total.update is None and total.schedule == Schedule(0.3, 0.6)
    assert float(total.prepare(None, BATCH).z[0, 0]) == 3.0
    assert total.finish(1.0, {"staged": 5.0, "plain": 7.0}, BATCH) == 6.0


def test_noise_that_is_paired_for_one_objective_is_not_read_by_another():
    """A score that is learned on coupled noise is not that of the data, and transport pairs are asked for one objective alone."""
    paired = Objective(
        no_aux,
        lambda params, aux, key, batch, clock: (jnp.mean(batch.z), {}),
        prepare=lambda key, batch: batch._replace(z=batch.x + 1),
        judge=lambda params, aux, key, batch, clock: (jnp.mean(batch.z), {}),
    )
    free = Objective(no_aux, lambda params, aux, key, batch, clock: (jnp.asarray(5.0 if batch.z is None else -1.0), {}), num_codes=3)
    total = objectives.weighted_sum(
        {"paired": paired, "free": free, "more": free._replace(num_codes=2)}, dict.fromkeys(("paired", "free", "more"), 1.0)
    )
    batch = total.prepare(None, BATCH)
    for loss in (total.loss, total.judge):
        assert float(loss((), dict.fromkeys(("paired", "free", "more"), ()), jax.random.key(0), batch, CLOCK)[0]) == 3 + 5 + 5
    by_column = objectives.weighted_sum({"free": free, "more": free._replace(num_codes=(2, 4))}, {"free": 1.0, "more": 1.0})
    assert by_column.num_codes == (2, 3)
    assert total.num_codes == 2 and objectives.weighted_sum({"paired": paired}, {"paired": 1.0}).num_codes is None


def test_validation_judges_by_the_sum_of_what_judges_each():
    judged = power(1)._replace(judge=lambda params, aux, key, batch, clock: (jnp.asarray(100.0), {}))
    total = objectives.weighted_sum({"judged": judged, "plain": power(2)}, {"judged": 2.0, "plain": 0.5})
    value, _ = total.judge(jnp.asarray(3.0), {"judged": 0.0, "plain": 0.0}, jax.random.key(0), BATCH, CLOCK)
    assert float(value) == 2 * 100 + 0.5 * 9 * 2
    assert objectives.weighted_sum({"plain": power(2)}, {"plain": 1.0}).judge is None


def test_the_draws_of_two_objectives_are_independent():
    random = Objective(no_aux, lambda params, aux, key, batch, clock: (jax.random.normal(key), {}))
    total = objectives.weighted_sum({"a": random, "b": random}, {"a": 1.0, "b": 1.0})
    _, metrics = jax.jit(total.loss)((), {"a": (), "b": ()}, jax.random.key(0), BATCH, CLOCK)
    assert metrics["a"] != metrics["b"]


@pytest.mark.parametrize(
    ("parts", "weights", "text"),
    [
        ({}, {}, "weights={}"),
        ({"a": power(1)}, {"b": 1.0}, "one number for each of a"),
        ({"a": power(1)}, {"a": 0.0}, r"weights\['a'\]=0.0"),
        ({"a": power(1)._replace(data_free=True)}, {"a": 1.0}, "a takes no data"),
        ({n: power(1)._replace(prepare=lambda k, b: b) for n in "ab"}, {"a": 1.0, "b": 1.0}, "a, b prepare batches"),
    ],
)
def test_sums_that_cannot_be_trained_are_refused(parts, weights, text):
    with pytest.raises(ValueError, match=text):
        objectives.weighted_sum(parts, weights)
