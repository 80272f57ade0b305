"""Training on all questions at once: how roles are drawn, that a missing value is never learnt, and that what is not asked for adds no gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import objectives, zoo
from jaxgen.objective import Batch, Clock, Objective, no_aux
from jaxgen.roles import decoded

CLOCK = Clock(jnp.zeros((), jnp.int32), jnp.ones((), jnp.int32), None)
NUM, D = 40_000, 4


def test_the_number_of_given_columns_is_uniform_and_something_is_always_asked():
    given, asked = (np.asarray(flags) for flags in objectives.uniform_roles(jax.random.key(0), NUM, D))
    assert not (given & asked).any() and asked.any(1).all()
    shares = np.bincount(given.sum(1), minlength=D + 1) / NUM
    np.testing.assert_allclose(shares, [0.25, 0.25, 0.25, 0.25, 0.0], atol=0.01)
    # Each column alike, and a quarter of the rows may hide some; those with one column left to ask for never do.
    np.testing.assert_allclose(given.mean(0), 1.5 / D, atol=0.01)
    hidden = ~given & ~asked
    assert abs(hidden.any(1).mean() - 0.25 * np.mean([1 - 1 / (D - k) for k in range(D)])) < 0.01


def reader(found):
    def loss(params, aux, key, batch, clock):
        found.append((batch.x, decoded(batch.cond)))
        return jnp.sum(params * jnp.where(decoded(batch.cond).asked, batch.x, 0)), {}

    return Objective(no_aux, loss)


def test_a_missing_value_has_no_role_and_columns_stay_together():
    found = []
    rows = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    rows[::2, 3] = np.nan
    objectives.any_subset(reader(found), widths=[2, 1, 1]).loss(1.0, (), jax.random.key(1), Batch(jnp.asarray(rows)), CLOCK)
    x, (values, given, asked) = found[0]
    gone = np.isnan(rows)
    assert not (given | asked)[gone].any() and np.isfinite(x).all() and np.isfinite(values).all()
    np.testing.assert_array_equal(given[:, 0], given[:, 1])
    np.testing.assert_array_equal(asked[:, 0], asked[:, 1])
    np.testing.assert_array_equal(values, np.where(given, rows, 0))
    np.testing.assert_array_equal(x, np.where(asked, rows, 0))
    assert given[1::2, 3].any() and asked[1::2, 3].any()


@pytest.mark.parametrize("name", ["cfm", "tabular"])
def test_what_stands_where_nothing_is_asked_moves_no_parameter(name):
    """The loss under fixed roles: its gradient is the same whatever the values that are neither given nor asked for, and 0 if none is asked for."""
    entry = zoo.build(name, (D,), any_subset=True, **zoo.small(name))
    params = jaxgen.init(0, entry.model)
    params = jax.tree.map(lambda a: a + 0.1 * jax.random.normal(jax.random.key(1), a.shape), params)
    x = jax.random.normal(jax.random.key(2), (32, D))

    def roles(asked):
        flags = lambda on: jnp.tile(jnp.arange(D) == on, (32, 1))
        return lambda key, num, d: (flags(0), flags(1) & asked)

    assert entry.objective.gaps
    grads = []
    for asked, last in ((True, x[:, 3]), (True, jnp.full(32, jnp.nan)), (False, x[:, 3])):
        objective = objectives.any_subset(unwrapped(name), roles=roles(asked))
        batch = Batch(x.at[:, 3].set(last))
        grads.append(jax.jit(jax.grad(lambda p, b, o=objective: o.loss(p, (), jax.random.key(3), b, CLOCK)[0]))(params, batch))
    same, gap, nothing = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(g)]) for g in grads)
    assert np.abs(same).max() > 1e-4
    np.testing.assert_array_equal(same, gap)
    np.testing.assert_array_equal(nothing, 0)


def unwrapped(name):
    """The objective that an entry trains under drawn roles, before it is wrapped."""
    caught = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxgen.zoo.any_subset.objectives.any_subset", lambda objective, widths: caught.append(objective) or objective)
        zoo.build(name, (D,), any_subset=True, **zoo.small(name))
    return caught[0]


def test_a_fit_learns_a_conditional_from_rows_with_gaps():
    """Of two columns with correlation 0.9 a third of the second is missing: the law of each given the other is still found."""
    rng = np.random.default_rng(0)
    rows = rng.multivariate_normal([0, 0], [[1.0, 0.9], [0.9, 1.0]], 4_000)
    rows[rng.uniform(size=4_000) < 1 / 3, 1] = np.nan
    entry = zoo.build("tabular", (2,), any_subset=True, width=16, depth=1, num_components=2, learning_rate=1e-2)
    fitted = jaxgen.fit(0, entry, rows.astype(np.float32), 500, batch_size=256, progress=False)
    x = np.array([[1.0, 0.5], [-0.5, 0.3]])
    for given in (0, 1):
        found = jaxgen.log_prob(entry.model, fitted.params, x, given=[given]).value
        away = x[:, 1 - given] - 0.9 * x[:, given]
        truth = -0.5 * away**2 / 0.19 - 0.5 * np.log(2 * np.pi * 0.19)
        np.testing.assert_allclose(found, truth, atol=0.25)


def test_pairs_made_on_the_host_and_conditions_are_refused():
    model = zoo.build("ot_cfm", (2,), **zoo.small("ot_cfm"))
    with pytest.raises(jaxgen.PairingError, match="any_subset: objective=one that pairs noise with events on the host"):
        objectives.any_subset(model.objective)
    batch = Batch(jnp.zeros((3, 2)), jnp.zeros((3, 1)))
    with pytest.raises(ValueError, match=r"batch.cond of shape \(3, 1\); accepted: None"):
        objectives.any_subset(reader([])).loss(1.0, (), jax.random.key(0), batch, CLOCK)
    with pytest.raises(ValueError, match="widths that add up"):
        objectives.any_subset(reader([]), [1, 2]).loss(1.0, (), jax.random.key(0), Batch(jnp.zeros((3, 2))), CLOCK)
