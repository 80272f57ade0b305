"""The closed forms of a Gaussian mixture: densities by scipy, the score by differentiation, the denoiser by Tweedie's formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from jaxgen import paths

# Weights and conditions need not sum to one.
W, M, S = np.array([0.6, 1.4]), np.array([[-1.0, 0.5], [1.0, -0.5]]), np.array([0.3, 0.4])
PATHS = {"linear": paths.linear(), "edm": paths.edm(), "follmer": paths.follmer()}
over_paths = pytest.mark.parametrize("name", list(PATHS))


@over_paths
@pytest.mark.parametrize("cond", [None, [0.0, 3.0]])
def test_density_score_and_predictions(name, cond, x64):
    with x64():
        path, t, x = PATHS[name], jnp.asarray(0.6), jnp.asarray([0.4, -0.3])
        log_prob = paths.mixture_log_prob(path, W, M, S)
        alpha, sigma = float(path.alpha(t)), float(path.sigma(t))
        sd = np.sqrt((alpha * S) ** 2 + sigma**2)
        logs = scipy.stats.norm.logpdf(np.asarray(x), alpha * M, sd[:, None]).sum(1)
        np.testing.assert_allclose(
            log_prob(x, t, cond), scipy.special.logsumexp(logs, b=W / 2 if cond is None else np.divide(cond, np.sum(cond))), rtol=1e-10
        )
        truth = paths.mixture_prediction(path, W, M, S)
        score = jax.grad(log_prob)(x, t, cond)
        assert np.isfinite(score).all()
        np.testing.assert_allclose(truth.score((), x, t, cond), score, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(truth.read("score")((), x, t, cond), score, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(truth.denoiser((), x, t, cond), (x + sigma**2 * score) / alpha, rtol=1e-8)


@over_paths
def test_the_velocity_satisfies_the_continuity_equation(name, x64):
    """d/dt log p + div v + v . score = 0."""
    with x64():
        path, t, x = PATHS[name], jnp.asarray(0.45), jnp.asarray([0.4, -0.3])
        log_prob, truth = paths.mixture_log_prob(path, W, M, S), paths.mixture_prediction(path, W, M, S)

        @jax.jit
        def terms(x, t):
            divergence = jnp.trace(jax.jacfwd(lambda x: truth.velocity((), x, t))(x))
            change = jax.jvp(lambda t: log_prob(x, t), (t,), (jnp.ones_like(t),))[1]
            return change, divergence, truth.velocity((), x, t) @ truth.score((), x, t)

        found = terms(x, t)
        np.testing.assert_allclose(sum(found), 0, atol=1e-8 * (1 + abs(float(found[1]))))


@pytest.mark.parametrize(
    ("weights", "means", "sds", "message"),
    [
        ([1.0], [[0.0]], [1.0, 2.0], "sds of shape"),
        ([1.0, 1.0], [[0.0]], 1.0, "means of shape"),
        ([0.0], [[0.0]], 1.0, "positive"),
        ([1.0], [[np.nan]], 1.0, "finite"),
    ],
)
def test_bad_arguments_are_named(weights, means, sds, message):
    with pytest.raises(ValueError, match=message):
        paths.mixture_prediction(paths.linear(), weights, means, sds)
