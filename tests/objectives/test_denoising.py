"""Regressions on a path: the truth of a Gaussian minimises them, at the Bayes risk; the times follow their distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases, numerics, objectives, paths
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, PairingError

PATH, MEAN, SD = paths.vp_linear(0.1, 4.0, last=0.05), 0.7, 0.5
CLOCK = Clock(jnp.asarray(0), jnp.asarray(10), None)


def diffusion(path):
    """A perfect noise predictor, tilted by `params[0]` and shifted by `params[1]`."""

    def eps(params, x, t, cond=None):
        alpha, sigma = path.alpha(t), path.sigma(t)
        return sigma / (alpha**2 * SD**2 + sigma**2) * (x - alpha * MEAN) + params[0] * x + params[1]

    return Model(bases.normal((1,)), T.probability_flow(lambda *a: jnp.zeros(2), paths.prediction(path, eps, "eps")))


def bayes_risk(path, part):
    """The variance of the target given x_t, over t: data and noise are jointly Gaussian with x_t."""
    t = (np.arange(2_000) + 0.5) / 2_000
    alpha, sigma = (np.asarray(f(jnp.asarray(t))) for f in (path.alpha, path.sigma))
    d_alpha, d_sigma = (np.asarray(a) for a in path.rates(jnp.asarray(t)))
    a, b = {"eps": (0, 1), "denoiser": (1, 0), "score": (0, -1 / sigma), "velocity": (d_alpha, d_sigma)}[part]
    # Var(a x + b z | alpha x + sigma z) for independent x and z.
    return np.mean((a * sigma - b * alpha) ** 2 * SD**2 / (alpha**2 * SD**2 + sigma**2))


def data(num):
    """Events with the stated mean and deviation to the last digit: a linear regression sees no more of them."""
    x = np.random.default_rng(0).standard_normal((num, 1))
    return Batch(jnp.asarray(MEAN + SD * (x - x.mean()) / x.std(), jnp.float32))


def check_minimum(objective, risk):
    """Loss at the truth is the risk, and its gradient there is zero within four standard errors; a wrong sign is hundreds away."""
    batch = data(2_000)

    tilts = np.array([[0.3, 0.0], [-0.3, 0.0], [0.0, 0.3], [0.0, -0.3]])

    def one(key, params):
        # Stratified times go by row, so rows come in a new order each time, as they do in training.
        rows = Batch(jax.random.permutation(jax.random.fold_in(key, 0), batch.x))
        return jax.value_and_grad(lambda p: objective.loss(p, (), key, rows, CLOCK)[0])(params)

    params = jnp.asarray(np.concatenate([np.zeros((60, 2)), tilts]), jnp.float32)
    losses, gradients = map(np.asarray, jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 64), params))
    tilted, losses, gradients = losses[60:], losses[:60], gradients[:60]
    np.testing.assert_allclose(losses.mean(), risk, rtol=0.03)
    assert np.all(np.abs(gradients.mean(0)) < 4 * gradients.std(0) / np.sqrt(60) + 1e-4)
    assert min(tilted) > losses.mean()


@pytest.mark.parametrize("part", ["eps", "denoiser", "score", "velocity"])
def test_the_truth_minimises_denoising(part):
    check_minimum(objectives.denoising(diffusion(PATH), PATH, part), bayes_risk(PATH, part))


def test_the_truth_minimises_flow_matching():
    # Near t = 1 the straight path's velocity in terms of eps divides by alpha, near t = 0 by little: a path cut at both ends is milder.
    path = paths.Path(lambda t: 0.05 + 0.9 * t, lambda t: 0.95 - 0.9 * t)
    check_minimum(objectives.flow_matching(diffusion(path), path), bayes_risk(path, "velocity"))


def test_weights_and_prepared_noise_are_used():
    batch = data(8)._replace(z=jnp.zeros((8, 1)))
    plain, weighted = (
        objectives.denoising(diffusion(PATH), PATH, "eps", weight=w, times=objectives.grid_times(1)) for w in (None, lambda path, t: 5.0)
    )
    losses = [jax.jit(objective.loss)(jnp.zeros(2), (), jax.random.key(0), batch, CLOCK)[0] for objective in (plain, weighted)]
    alpha, sigma = float(PATH.alpha(jnp.zeros(()))), float(PATH.sigma(jnp.zeros(())))
    expected = np.mean((sigma / (alpha**2 * SD**2 + sigma**2) * (alpha * np.asarray(batch.x) - alpha * MEAN)) ** 2)
    np.testing.assert_allclose(losses, [expected, 5 * expected], rtol=1e-4)


RHO = 0.8


def dependent(key, x, z, cond):
    """Noise that keeps its law and is correlated with its event."""
    return RHO * (x - MEAN) / SD + np.sqrt(1 - RHO**2) * z


def coupled_model(**options):
    """A perfect noise predictor for dependent noise: E[z | x_t] of the joint Gaussian, tilted as `diffusion` is."""

    def eps(params, x, t, cond=None):
        alpha, sigma = PATH.alpha(t), PATH.sigma(t)
        variance = alpha**2 * SD**2 + sigma**2 + 2 * alpha * sigma * RHO * SD
        return (alpha * RHO * SD + sigma) / variance * (x - alpha * MEAN) + params[0] * x + params[1]

    read = paths.prediction(PATH, eps, "eps", **options)
    return Model(bases.normal((1,)), T.probability_flow(lambda *a: jnp.zeros(2), read)), read


def test_the_truth_of_dependent_pairs_minimises_denoising_with_a_coupling():
    t = (np.arange(2_000) + 0.5) / 2_000
    alpha, sigma = (np.asarray(f(jnp.asarray(t))) for f in (PATH.alpha, PATH.sigma))
    left = 1 - (alpha * RHO * SD + sigma) ** 2 / (alpha**2 * SD**2 + sigma**2 + 2 * alpha * sigma * RHO * SD)
    model, _ = coupled_model(coupled=True)
    check_minimum(objectives.denoising(model, PATH, "eps", coupling=dependent), np.mean(left))


def test_the_ode_of_dependent_pairs_carries_noise_to_data():
    """It starts at sigma(0) z, hence the law at t = 1 is exact for a path that starts at pure noise."""
    path = paths.linear()

    def denoiser(params, x, t, cond=None):
        variance = t**2 * SD**2 + (1 - t) ** 2 + 2 * t * (1 - t) * RHO * SD
        return MEAN + (t * SD**2 + (1 - t) * RHO * SD) / variance * (x - t * MEAN)

    read = paths.prediction(path, denoiser, "denoiser", coupled=True)
    flow = T.probability_flow(lambda *a: (), read, solver=numerics.fixed(200, "midpoint"))
    x = jax.vmap(lambda z: flow.forward((), z))(jnp.asarray([[-1.0], [0.0], [2.0]]))
    np.testing.assert_allclose(np.asarray(x)[:, 0], MEAN + SD * np.array([-1.0, 0.0, 2.0]), atol=2e-3)


def test_the_score_of_dependent_pairs_is_refused_wherever_it_would_be_read():
    with_score, _ = coupled_model()
    with pytest.raises(PairingError, match="coupling='optimal_transport' with a model that has the part score"):
        objectives.denoising(with_score, PATH, "eps", coupling="optimal_transport")
    model, read = coupled_model(coupled=True)
    with pytest.raises(PairingError, match="without the parts score"):
        objectives.denoising(model, PATH, "score", coupling="optimal_transport")
    moved, steered = paths.on_path(read, paths.linear()), paths.guided(read, 2.0)
    assert "score" not in read.parts() and "score" in paths.prediction(PATH, read.eps, "eps").parts()
    for prediction in (read, moved, steered):
        with pytest.raises(ValueError, match="score of coupled noise and data"):
            prediction.score((), jnp.ones(1), jnp.asarray(0.5))
        for sampler in (T.ancestral, T.euler_maruyama, T.dpm_solver_sde, T.edm_stochastic, T.predictor_corrector, T.stochastic_runge_kutta):
            with pytest.raises(ValueError, match="prediction of coupled noise and data"):
                sampler(lambda *a: (), prediction, 4)
        with pytest.raises(ValueError, match="prior of coupled noise and data"):
            paths.inpainting(prediction, np.ones(1, bool), np.ones(1))
    with pytest.raises(ValueError, match="target='score' of coupled"):
        paths.prediction(PATH, read.eps, "score", coupled=True)


def test_logit_normal_times_give_a_normal_logit(key):
    t = np.asarray(objectives.logit_normal_times(1.2, 0.7)(key, 2_000, jnp.float32))
    assert scipy.stats.kstest(np.log(t / (1 - t)), "norm", args=(1.2, 0.7)).statistic < 0.01


def test_the_weight_of_flow_matching_multiplies_the_error_at_its_time():
    still = T.ode_flow(lambda key, z, cond=None: (), lambda params, x, t, cond=None: 0 * x)
    objective = objectives.flow_matching(
        Model(bases.normal((1,)), still), coupling=lambda key, x, z, cond: x - 3.0, weight=lambda t: jnp.where(t < 0.25, 0.0, t)
    )
    loss, _ = jax.jit(objective.loss)((), (), jax.random.key(0), data(1_000), CLOCK)
    # 9 times the integral of t over [1/4, 1].
    np.testing.assert_allclose(loss, 9 * 0.5 * (1 - 1 / 16), rtol=1e-2)


def test_times_are_stratified_and_cover_the_interval(key):
    t = np.sort(objectives.stratified_times(key, 50, jnp.float32))
    assert np.all(np.floor(t * 50) == np.arange(50))
    on_grid = np.asarray(objectives.grid_times(5)(key, 100, jnp.float32))
    np.testing.assert_allclose(np.unique(on_grid), np.arange(5) / 5, rtol=1e-6)
    assert np.all(np.unique(on_grid, return_counts=True)[1] == 20)


def test_lognormal_times_give_a_normal_log_sigma(key):
    path = paths.edm()
    t = objectives.lognormal_times(path)(key, 2_000, jnp.float32)
    assert scipy.stats.kstest(np.log(np.asarray(path.sigma(t))), "norm", args=(-1.2, 1.2)).statistic < 0.01


def test_lognormal_times_are_finite_where_sigma_ends_at_zero():
    """The rare noise levels below the table's last but one, here none rarer than another."""
    t = np.asarray(objectives.lognormal_times(paths.linear(), -7.0, 1.0)(jax.random.key(0), 400, jnp.float32))
    assert np.all((t >= 0) & (t <= 1)) and (t > 1023 / 1024).sum() > 100
