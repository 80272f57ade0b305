"""Objectives of discrete data: each has its minimum at the data's own distribution, and the bounds are the entropy there."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import Entry, Model, bases, fit, nets, objectives
from jaxgen import transforms as T
from jaxgen.objective import Batch, Clock, PairingError
from jaxgen.paths import discrete as D

K, N, NUM = 3, 2, 20_000
PATHS = {"masked": D.masked(K, D.cosine()), "uniform": D.uniform(K), "metric": D.metric(K)}
TABLE = np.random.default_rng(0).normal(size=(K,) * N)
JOINT = np.exp(TABLE) / np.exp(TABLE).sum()
ENTROPY = -float(np.sum(JOINT * np.log(JOINT)))
CLOCK = Clock(jnp.asarray(0, jnp.int32), jnp.asarray(1, jnp.int32), None)
PAIRINGS = {
    "bound-masked": ("masked", objectives.discrete_bound),
    "bound-uniform": ("uniform", objectives.discrete_bound),
    "score_entropy-masked": ("masked", objectives.score_entropy),
    "score_entropy-uniform": ("uniform", objectives.score_entropy),
    "flow_matching-masked": ("masked", objectives.discrete_flow_matching),
    "flow_matching-uniform": ("uniform", objectives.discrete_flow_matching),
    "flow_matching-metric": ("metric", objectives.discrete_flow_matching),
    "any_order": ("masked", objectives.any_order_bound),
}


def model_on(path, read=None):
    return Model(bases.uniform((3, N)), T.tau_leaping(lambda key, z, cond=None: jnp.zeros((K,) * N), read or D.tabular(path), 2))


@functools.cache
def draws(name):
    """Twelve losses, each of a batch of its own, with their gradients in the table, at the truth and away from it."""
    path_name, pair = PAIRINGS[name]
    path = PATHS[path_name]
    objective = pair(model_on(path), path)
    rng = np.random.default_rng(1)
    places = rng.choice(K**N, size=(12, NUM // 12), p=JOINT.ravel())
    x = jnp.asarray(np.stack(np.divmod(places, K), -1), jnp.float32)
    keys = jax.random.split(jax.random.key(0), 12)

    @jax.jit
    def run(table):
        value = jax.value_and_grad(lambda table, key, x: objective.loss(table, (), key, Batch(x), CLOCK)[0])
        return jax.lax.map(lambda both: value(table, *both), (keys, x))

    away = TABLE + 0.7 * np.random.default_rng(2).normal(size=TABLE.shape)
    return [jax.tree.map(np.asarray, run(jnp.asarray(table, jnp.float32))) for table in (TABLE, away)]


def z_score(a):
    return a.mean(0) / (a.std(0, ddof=1) / np.sqrt(len(a)))


@pytest.mark.parametrize("name", PAIRINGS)
def test_the_minimum_is_the_truth(name):
    """The gradient is zero within four and a half standard errors at the truth, and many away from it."""
    at_truth, away = (grads for _, grads in draws(name))
    assert np.abs(z_score(at_truth)).max() < 4.5
    assert np.abs(z_score(away)).max() > 8


@pytest.mark.parametrize("name", [n for n in PAIRINGS if not n.startswith("flow_matching")])
def test_a_bound_is_the_entropy_at_the_truth_and_above_it_elsewhere(name):
    at_truth, away = (values for values, _ in draws(name))
    stderr = at_truth.std(ddof=1) / np.sqrt(len(at_truth))
    assert stderr < (0.04 if "uniform" in name else 0.01)
    assert abs(at_truth.mean() - ENTROPY / N) < 4.5 * stderr
    assert away.mean() > at_truth.mean() + 0.02


def test_score_entropy_is_the_bound_in_other_words():
    for path in ("masked", "uniform"):
        for (a, _), (b, _) in zip(draws(f"bound-{path}"), draws(f"score_entropy-{path}"), strict=True):
            # On masked paths the ratios' own sum is the constant of the path only on average over the sites' masks.
            np.testing.assert_allclose(a, b, rtol=2e-3 if path == "uniform" else 5e-2)


def test_counting_masks_first_has_less_variance_than_drawing_them():
    counted, drawn = (draws(n)[0][0].std(ddof=1) for n in ("any_order", "bound-masked"))
    assert counted < drawn


@pytest.mark.parametrize("path", ["masked", "uniform"])
def test_losses_of_a_network_in_float32_are_finite_with_a_condition(path):
    net = nets.mlp(N * K, width=4, depth=1)
    read = D.prediction(PATHS[path], lambda params, x, t, cond: net.apply(params, x, cond).reshape(N, K))
    x, cond = jnp.asarray([[0.0, 2.0], [1.0, 1.0]]), jnp.ones((2, 3))
    params = net.init(jax.random.key(0), x[0], cond[0])
    for pair in (objectives.discrete_bound, objectives.score_entropy, objectives.discrete_flow_matching):
        objective = pair(model_on(PATHS[path], read), PATHS[path])
        value, metrics = objective.loss(params, (), jax.random.key(0), Batch(x, cond), CLOCK)
        assert np.isfinite(value) and value.dtype == jnp.float32
        np.testing.assert_allclose(N * value, *metrics.values(), rtol=1e-6)


@pytest.mark.parametrize("path", ["masked", "uniform"])
@pytest.mark.parametrize("pair", [objectives.discrete_bound, objectives.score_entropy])
def test_losses_and_gradients_stay_small_at_the_ends_of_time(path, pair):
    """At t = 1 nothing is left to predict and at t = 0 nothing is known; there too each is a number, and no ratio of rounding errors."""
    read = D.prediction(PATHS[path], lambda params, x, t, cond: jnp.broadcast_to(params, (N, K)), "context_logits")
    x = jnp.asarray([[0.0, 2.0], [1.0, 1.0]])
    for t in (0.0, 1.0):
        objective = pair(model_on(PATHS[path], read), PATHS[path], times=lambda key, num, dtype, t=t: jnp.full(num, t, dtype))
        value, slope = jax.value_and_grad(lambda p, o=objective: o.loss(p, (), jax.random.key(0), Batch(x), CLOCK)[0])(jnp.zeros(K))
        assert abs(float(value)) < 20 and np.isfinite(slope).all() and np.abs(slope).max() < 20


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (
            lambda: objectives.discrete_bound(flow(), PATHS["masked"]),
            "discrete_bound: model=one without the parts probabilities.*has: none",
        ),
        (lambda: objectives.score_entropy(flow(), PATHS["masked"]), "score_entropy: model=one without the parts ratios"),
        (lambda: objectives.discrete_flow_matching(flow(), PATHS["masked"]), "parts probabilities"),
        (lambda: objectives.any_order_bound(model_on(PATHS["uniform"]), PATHS["uniform"]), "any_order_bound: path=one without a mask"),
        (
            lambda: objectives.discrete_bound(model_on(PATHS["metric"]), PATHS["metric"]),
            "path=one without a reversal.*flow_matching takes any",
        ),
        (lambda: objectives.score_entropy(model_on(PATHS["metric"]), PATHS["metric"]), "score_entropy: path=one without a reversal"),
        (lambda: objectives.denoising(model_on(PATHS["masked"]), None, "eps"), "denoising: model=one without the parts eps.*probabilities"),
    ],
)
def test_a_pairing_that_cannot_work_is_refused(pair, message):
    with pytest.raises(PairingError, match=message):
        pair()


@pytest.mark.parametrize(
    ("value", "said"), [(2.5, "holds 2.5 in row 1"), (3.0, "holds 3 in row 1; accepted: the codes 0 to 2"), (-1.0, "holds -1")]
)
def test_fit_refuses_what_is_no_code(value, said):
    path = PATHS["masked"]
    entry = Entry(model_on(path), objectives.any_order_bound(model_on(path), path))
    with pytest.raises(ValueError, match=f"fit: data {said}"):
        fit(jax.random.key(0), entry, np.asarray([[0.0, 1.0], [value, 2.0]], np.float32), 1)


def flow():
    return Model(bases.normal((N,)), T.flip())
