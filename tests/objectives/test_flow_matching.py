"""Flow matching on interpolants: the truth of two Gaussian mixtures minimises it, whatever the noise; sources, couplings and noise are used."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, objectives, paths
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock
from jaxgen.transform import field_part

CLOCK = Clock(jnp.asarray(0), jnp.asarray(10), None)
SOURCE = (np.array([0.5, 0.5]), np.array([[-1.0], [0.5]]), np.array([0.3, 0.6]))
TARGET = (np.array([1.0]), np.array([[0.7]]), np.array([0.5]))
BRIDGE = paths.interpolant(variance=paths.brownian_variance(0.5))
SINE = paths.interpolant(paths.trigonometric(), paths.sine_variance())
BLURRED = paths.interpolant(variance=lambda t: 0.2**2 + 0 * t)
BLURRED_BRIDGE = paths.interpolant(variance=lambda t: 0.5 * t * (1 - t) + 0.4**2)


def model(truth):
    """The truth, tilted by `params[0]` at t = 1/2 and shifted by `params[1]`, of a flow whose base is the source."""

    def tilted(f):
        # More of it late than early: what belongs to t and what to 1 - t would else weigh alike over all times.
        return lambda params, x, t, cond=None: f((), x, t) + 2 * params[0] * t * x + params[1]

    # Unequal, so that errors of the two drifts cannot cancel.
    drift, back = paths.drifts(truth.velocity, truth.score, 0.5**0.5)
    backward_drift = tilted(lambda _, x, t: 0.5 * back((), x, t))
    parts = {"direct": tilted(truth.direct), "score": tilted(truth.score), "drift": tilted(drift)}
    parts["backward_drift"] = lambda params, x, t, cond=None: 2 * backward_drift(params, x, t)
    weights, means, sds = SOURCE
    return Model(
        bases.gaussian_mixture(weights, means, sds[:, None]),
        T.ode_flow(lambda *a: jnp.zeros(2), tilted(truth.velocity), parts={k: field_part(f) for k, f in parts.items()}),
    )


CASES = {
    "bridge": (BRIDGE, lambda m: objectives.flow_matching(m, BRIDGE)),
    "smooth": (SINE, lambda m: objectives.interpolant_matching(m, SINE, ("velocity",))),
    "direct": (SINE, lambda m: objectives.interpolant_matching(m, SINE, ("direct",))),
    "drifts": (BRIDGE, lambda m: objectives.bridge_matching(m, 0.5**0.5)),
    "score": (BRIDGE, lambda m: objectives.interpolant_matching(m, BRIDGE, ("score",))),
    "noise": (BLURRED, lambda m: objectives.flow_matching(m, noise=0.2)),
    "noise on a bridge": (BLURRED_BRIDGE, lambda m: objectives.flow_matching(m, BRIDGE, noise=0.4)),
    "trigonometric": (paths.interpolant(paths.trigonometric()), lambda m: objectives.flow_matching(m, paths.trigonometric())),
}


@pytest.mark.parametrize("name", CASES)
def test_the_truth_minimises_it(name):
    between, make = CASES[name]
    objective = make(model(paths.interpolant_mixture(between, SOURCE, TARGET)))

    def one(key):
        x = 0.7 + 0.5 * jax.random.normal(jax.random.fold_in(key, 99), (500, 1))
        return jax.value_and_grad(lambda p: objective.loss(p, (), key, Batch(x), CLOCK)[0])(jnp.zeros(2))

    losses, gradients = jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(jax.random.key(0), 100))
    assert np.isfinite(losses).all()
    stderr = np.std(gradients, 0) / np.sqrt(100)
    assert np.all(np.abs(np.mean(gradients, 0)) < 4 * stderr)
    # A factor or a sign wrong in a noise term moves the gradient by several tenths.
    assert np.all(stderr < 0.02)


@pytest.mark.parametrize("between", [None, BRIDGE], ids=["a straight path", "a bridge"])
def test_noise_is_a_standard_deviation_around_the_path(between):
    """At t = 1 with a network that doubles its input: x_t is the event blurred by the noise alone, and the error of it is twice as much."""
    noise = 0.3
    flow = Model(bases.normal((1,)), T.ode_flow(lambda *a: (), lambda params, x, t, cond=None: 2 * x))
    # Where the noise meets the bridge, gamma is the noise at t = 1 and its rate is that of the bridge, -0.25, over gamma.
    objective = objectives.flow_matching(
        flow, between, noise=noise, coupling=lambda key, x, z, cond: x, times=lambda key, num, dtype: jnp.ones(num, dtype)
    )
    loss = np.asarray(jax.jit(objective.loss)((), (), jax.random.key(0), Batch(jnp.zeros((40_000, 1))), CLOCK)[0])
    # E (2 noise eps)^2, less twice the expectation of rate eps (2 noise eps) where there is a bridge.
    expected = 4 * noise**2 + (0 if between is None else 2 * (0.25 / noise) * 2 * noise)
    np.testing.assert_allclose(loss, expected, rtol=4 * np.sqrt(2 / 40_000))


def test_the_parts_losses_add_up():
    truth = model(paths.interpolant_mixture(BRIDGE, SOURCE, TARGET))
    batch = Batch(jnp.ones((8, 1)))
    value, metrics = objectives.interpolant_matching(truth, BRIDGE).loss(jnp.ones(2), (), jax.random.key(0), batch, CLOCK)
    alone = [
        jax.jit(objectives.interpolant_matching(truth, BRIDGE, (p,)).loss)(jnp.ones(2), (), jax.random.key(0), batch, CLOCK)[0]
        for p in metrics
    ]
    assert list(metrics) == ["velocity", "score"]
    np.testing.assert_allclose(value, sum(alone), rtol=1e-6)
    np.testing.assert_allclose(list(metrics.values()), alone, rtol=1e-6)


def test_losses_are_means_over_coordinates_and_named_after_their_parts():
    """Of zero against a rate of 3 the error is 9, and against the noise of a score it is 1, whatever the number of coordinates."""
    zero = lambda params, x, t, cond=None: jnp.zeros_like(x)
    still = Model(bases.normal((2,)), T.ode_flow(lambda *a: (), zero, parts={"direct": field_part(zero), "score": field_part(zero)}))
    between, batch = paths.interpolant(variance=paths.sine_variance()), Batch(jnp.zeros((20_000, 2)))
    options = {"coupling": lambda key, x, z, cond: x - 3}
    several = objectives.interpolant_matching(still, between, ("velocity", "direct", "score"), **options)
    metrics = jax.jit(several.loss)((), (), jax.random.key(0), batch, CLOCK)[1]
    straight = jax.jit(objectives.flow_matching(still, **options).loss)((), (), jax.random.key(0), batch, CLOCK)[1]
    np.testing.assert_allclose([metrics[part] for part in ("velocity", "direct", "score")], [9, 9, 1], rtol=0.03)
    assert list(straight) == ["error"] and float(straight["error"]) == 9


@pytest.mark.parametrize("t", [0.0, 1.0])
def test_at_the_ends_of_a_bridge_losses_and_gradients_are_finite(t):
    """gamma is zero there and its rate is infinite."""
    truth = model(paths.interpolant_mixture(SINE, SOURCE, TARGET))
    times = lambda key, num, dtype: jnp.full(num, t, dtype)
    for objective in (objectives.flow_matching(truth, BRIDGE, times=times), objectives.bridge_matching(truth, 0.5**0.5, times=times)):
        loss = jax.jit(jax.value_and_grad(lambda p, o=objective: o.loss(p, (), jax.random.key(0), Batch(jnp.ones((8, 1))), CLOCK)[0]))
        assert all(np.isfinite(a).all() for a in loss(jnp.ones(2)))


def zero_flow(base):
    return Model(base, T.ode_flow(lambda *a: (), lambda params, x, t, cond=None: jnp.zeros_like(x)))


def test_a_flow_between_data_sets_starts_from_the_rows_of_its_base():
    """With a velocity of zero the straight path's loss is the mean squared distance of the pairs."""
    source = np.array([[0.0, 0.0], [4.0, 0.0]], np.float32)
    target = np.tile(source + np.array([0.0, 1.0], np.float32), (32, 1))
    flow = zero_flow(bases.data_set(source))
    free = objectives.flow_matching(flow)
    tied = objectives.flow_matching(flow, coupling=objectives.couplings.entropic(0.05))
    losses = [jax.jit(o.loss)((), (), jax.random.key(1), Batch(jnp.asarray(target)), CLOCK)[0] for o in (free, tied)]
    prepared = objectives.flow_matching(flow, coupling="optimal_transport").prepare(jax.random.key(1), Batch(target))
    assert set(map(tuple, prepared.z)) <= set(map(tuple, source)) and prepared.z.dtype == np.float32
    # Independent: half of the pairs are 17 apart and half 1. Coupled: the counts of the two rows differ by chance, so a few stay apart.
    np.testing.assert_allclose(losses[0], 0.5 * 9.0, rtol=0.3)
    assert losses[1] < 0.5 * losses[0] and losses[1] >= 0.5


def test_a_function_is_a_coupling():
    x = jnp.asarray([[1.0], [2.0]])
    objective = objectives.flow_matching(zero_flow(bases.normal((1,))), coupling=lambda key, x, z, cond: x - cond)
    value = jax.jit(objective.loss)((), (), jax.random.key(0), Batch(x, jnp.asarray([[3.0], [4.0]])), CLOCK)[0]
    assert objective.prepare is None
    np.testing.assert_allclose(value, (9 + 16) / 2, rtol=1e-6)
