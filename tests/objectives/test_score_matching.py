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
