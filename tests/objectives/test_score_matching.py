"""Implicit and sliced score matching: the excess over the truth's loss is half the squared distance to the true score."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, objectives, paths
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock

PATH, M, S = paths.vp_linear(0.1, 4.0, last=0.05), np.array([[-1.0, 0.5], [1.0, -0.5]]), np.array([0.6, 0.5])
CLOCK = Clock(jnp.asarray(0), jnp.asarray(10), None)


def tilted():
    truth = paths.mixture_prediction(PATH, [1.0, 1.0], M, S)

    def score(params, x, t, cond=None):
        return truth.score((), x, t) + params[0] * x + params[1]

    return Model(bases.normal((2,)), T.probability_flow(lambda *a: jnp.zeros(2), paths.prediction(PATH, score, "score")))


@pytest.mark.parametrize("kind", ["implicit", "sliced"])
def test_the_excess_is_half_the_squared_error(kind):
    rng = np.random.default_rng(0)
    n = 40_000
    i = rng.integers(0, 2, n)
    x = jnp.asarray(M[i] + S[i, None] * rng.standard_normal((n, 2)), jnp.float32)
    objective = objectives.score_matching(tilted(), PATH, kind)
    loss = jax.jit(lambda p: objective.loss(p, (), jax.random.key(0), Batch(x), CLOCK)[0])
    t = jnp.linspace(0.0, 1.0, 2_001)
    # E |a x_t + b|^2 per coordinate, weighted by sigma^2: the data have mean zero.
    second = np.mean(M**2 + S[:, None] ** 2)
    variance = PATH.alpha(t) ** 2 * second + PATH.sigma(t) ** 2
    for a, b in ((0.4, 0.0), (-0.4, 0.0), (0.0, 0.5)):
        expected = 0.5 * np.mean(PATH.sigma(t) ** 2 * (a**2 * variance + b**2))
        np.testing.assert_allclose(loss(jnp.asarray([a, b])) - loss(jnp.zeros(2)), expected, rtol=0.15)


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="kind='exact'"):
        objectives.score_matching(tilted(), PATH, "exact")


@pytest.mark.parametrize("weight", [None, lambda path, t: 5.0 + 0 * t], ids=["sigma squared", "a weight"])
@pytest.mark.parametrize("kind", ["implicit", "sliced"])
def test_the_loss_of_a_linear_score_is_arithmetic(kind, weight, x64):
    """A diagonal matrix has the same quadratic form along every direction of ones and minus ones: its trace, the exact divergence."""
    rng = np.random.default_rng(0)
    x, z, t, slope = rng.standard_normal((6, 2)), rng.standard_normal((6, 2)), np.linspace(0.1, 0.9, 6), np.array([0.3, -0.8])
    with x64():
        model = Model(
            bases.normal((2,)),
            T.probability_flow(
                lambda *a: (), paths.prediction(PATH, lambda params, x, t, cond=None: jnp.asarray(slope) * x + cond, "score")
            ),
        )
        objective = objectives.score_matching(model, PATH, kind, weight=weight, times=lambda key, num, dtype: jnp.asarray(t))
        batch = Batch(jnp.asarray(x), jnp.asarray(z), jnp.asarray(z))
        loss, metrics = jax.jit(objective.loss)((), (), jax.random.key(0), batch, CLOCK)
        alpha, sigma = (np.asarray(f(jnp.asarray(t)))[:, None] for f in (PATH.alpha, PATH.sigma))
    score = slope * (alpha * x + sigma * z) + z
    scale = sigma[:, 0] ** 2 if weight is None else 5.0
    expected = np.mean(scale * (slope.sum() + 0.5 * np.sum(score**2, 1)) / 2)
    np.testing.assert_allclose([loss, metrics["score_matching"]], expected, rtol=1e-9)


def test_sliced_probes_differ_from_event_to_event_and_have_both_signs():
    """A symmetric matrix without a trace: the quadratic form is twice the product of the probe's coordinates, plus or minus one."""
    swap = jnp.asarray([[0.0, 1.0], [1.0, 0.0]])
    model = Model(
        bases.normal((2,)),
        T.probability_flow(lambda *a: (), paths.prediction(PATH, lambda params, x, t, cond=None: swap @ x, "score")),
    )
    batch = Batch(jnp.zeros((400, 2)), None, jnp.zeros((400, 2)))
    sliced, implicit = (
        float(
            jax.jit(objectives.score_matching(model, PATH, kind, weight=lambda path, t: 1.0).loss)((), (), jax.random.key(0), batch, CLOCK)[
                0
            ]
        )
        for kind in ("sliced", "implicit")
    )
    assert 0 < abs(sliced) < 4 / np.sqrt(400) and implicit == 0
