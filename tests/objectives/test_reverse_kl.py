"""Reverse KL against closed forms of Gaussians: its value, both gradients, the annealed target, and fits without data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, evaluation, fit, nets, numerics, objectives, training
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, PairingError
from jaxgen.training import Card, Entry, adam
from jaxgen.transform import Density, Maps, Preimage, Transform, no_params

LOC, SCALE, LOG_Z = np.array([1.0, -2.0], np.float32), np.array([0.5, 3.0], np.float32), 1.7
PARAMS = {"loc": jnp.asarray([0.3, -0.4]), "tril": jnp.asarray([[1.2, 0.0], [0.5, 0.8]])}
AT_TARGET = {"loc": jnp.asarray(LOC), "tril": jnp.diag(jnp.asarray(SCALE))}


def target(x):
    """A diagonal Gaussian times exp(LOG_Z)."""
    return LOG_Z + jnp.sum(-0.5 * ((x - LOC) / SCALE) ** 2 - jnp.log(SCALE) - 0.5 * jnp.log(2 * jnp.pi))


def gaussian():
    return Model(bases.normal((2,)), T.triangular_affine())


def closed_form(params, beta=1.0):
    """E_q[log q - beta log target] for q = N(loc, L L^T)."""
    lower = jnp.tril(params["tril"])
    entropy = jnp.log(2 * jnp.pi * jnp.e) + jnp.sum(jnp.log(jnp.abs(jnp.diag(lower))))
    second = jnp.sum(((params["loc"] - LOC) ** 2 + jnp.sum(lower**2, 1)) / SCALE**2)
    return -entropy - beta * (LOG_Z - 0.5 * second - jnp.sum(jnp.log(SCALE)) - jnp.log(2 * jnp.pi))


def clock(step, num_steps=100):
    return Clock(jnp.asarray(step, jnp.int32), jnp.asarray(num_steps, jnp.int32), None)


def draws(num):
    return Batch(jnp.zeros((num, 0)))


def values_and_gradients(params, num_keys=2_000, num_draws=8, step=50, **options):
    """Loss and gradient for each of many keys, `(num_keys, 1 + number of params)`."""
    objective = objectives.reverse_kl(gaussian(), target, **options)

    def one(key):
        loss, gradient = jax.value_and_grad(lambda p: objective.loss(p, (), key, draws(num_draws), clock(step))[0])(params)
        return jnp.concatenate([loss[None], gradient["loc"], gradient["tril"][jnp.tril_indices(2)]])

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), num_keys)))


@pytest.mark.parametrize(("path_gradient", "warmup", "beta"), [(True, 0.0, 1.0), (False, 1.0, 0.1), (True, 0.4, 1.0)])
def test_value_and_gradient_are_those_of_the_closed_form(path_gradient, warmup, beta):
    """Half of the way from 0.01 to 1 in logarithm is 0.1."""
    found = values_and_gradients(PARAMS, path_gradient=path_gradient, warmup=warmup, start=0.01)
    value, gradient = jax.value_and_grad(closed_form)(PARAMS, beta)
    expected = np.concatenate([[value], gradient["loc"], np.asarray(gradient["tril"])[np.tril_indices(2)]])
    stderr = found.std(0, ddof=1) / np.sqrt(len(found))
    assert np.all(stderr < 0.1)
    np.testing.assert_array_less(np.abs(found.mean(0) - expected), 4 * stderr + 1e-5)


def test_the_path_gradient_has_no_variance_where_the_model_is_the_target():
    """Sticking the landing: zero for each draw; the total derivative is zero only in the mean."""
    sticking = values_and_gradients(AT_TARGET, 20)
    total = values_and_gradients(AT_TARGET, 20, path_gradient=False)
    np.testing.assert_allclose(sticking[:, 0], -LOG_Z, rtol=1e-4)
    np.testing.assert_allclose(sticking[:, 1:], 0, atol=1e-4)
    assert np.all(total[:, 1:].std(0) > 0.02)


def test_an_unbiased_density_has_an_unbiased_loss():
    """Hutchinson's estimate of an ODE flow's log-det: over many keys the loss is that with the exact one."""
    net = nets.time_mlp(2, width=4, depth=1)
    init = lambda key, z, cond=None: net.init(key, z, jnp.zeros(()), cond)
    solver = numerics.fixed(4, "midpoint")
    exact, estimated = (Model(bases.normal((2,)), T.ode_flow(init, net.apply, solver=solver, trace=t)) for t in ("exact", "hutchinson"))
    params = jax.tree.map(lambda a: a + 0.5, exact.transform.init(jax.random.key(0), jnp.zeros(2)))
    keys = jax.random.split(jax.random.key(1), 1_000)
    losses = []
    for model in (exact, estimated):
        loss = objectives.reverse_kl(model, target).loss
        losses.append(np.asarray(jax.jit(jax.vmap(lambda k, loss=loss: loss(params, (), k, draws(4), clock(0))[0]))(keys)))
    difference = losses[1] - losses[0]
    assert difference.std() > 1e-3
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(keys))


class _KeyPerDraw:
    """A base that draws each noise with a key of its own, split from the seed as an estimate's probes would be."""

    def sample(self, *, seed, sample_shape=()):
        return jax.vmap(jax.random.normal)(jax.random.split(seed, sample_shape[0]))

    def log_prob(self, value):
        return jnp.zeros_like(value)


def test_the_probes_of_an_estimate_do_not_depend_on_the_noise():
    """The estimated log-determinant is the event times a probe: zero in the mean, and one where the probe is the noise again."""
    inverse = lambda params, x, cond=None, key=None: Preimage(x, x * jax.random.normal(key))
    estimated = Transform(no_params, Maps(lambda params, z, cond=None: z, inverse), Density.UNBIASED)
    objective = objectives.reverse_kl(Model(_KeyPerDraw(), estimated), lambda x: 0 * x)
    loss = jax.jit(objective.loss)((), (), jax.random.key(0), draws(4_000), clock(0))[0]
    assert abs(float(loss)) < 4 / np.sqrt(4_000)


def test_what_inverse_draws_is_part_of_the_density():
    """log q of the draws is 2 and the log-determinant 5: the density is their difference, and the target's logarithm is 1."""
    inverse = lambda params, x, cond=None, key=None: Preimage(x, jnp.asarray(5.0), jnp.asarray(2.0))
    drawing = Transform(no_params, Maps(lambda params, z, cond=None: z, inverse), Density.UNBIASED)
    objective = objectives.reverse_kl(Model(_KeyPerDraw(), drawing), lambda x: 0 * x + 1)
    np.testing.assert_allclose(jax.jit(objective.loss)((), (), jax.random.key(0), draws(4), clock(0))[0], 5 - 2 - 1)


@pytest.mark.parametrize(("path_gradient", "absent"), [(True, "inverse"), (False, "forward_and_log_det")])
def test_a_transform_without_the_map_that_is_used_is_refused(path_gradient, absent):
    f = T.triangular_affine()
    model = Model(bases.normal((2,)), f._replace(one=f.one._replace(**{absent: None})))
    with pytest.raises(
        PairingError, match=f"path_gradient={path_gradient} with a transform without {absent}; accepted: {not path_gradient}"
    ):
        objectives.reverse_kl(model, target, path_gradient=path_gradient)


def test_metrics_are_the_untempered_loss_the_share_of_effective_draws_and_beta():
    objective = objectives.reverse_kl(gaussian(), target, warmup=0.5, start=0.04)
    _, at_start = jax.jit(objective.loss)(AT_TARGET, (), jax.random.key(0), draws(64), clock(0))
    np.testing.assert_allclose([at_start["reverse_kl"], at_start["ess"], at_start["beta"]], [-LOG_Z, 1.0, 0.04], rtol=1e-4)
    loss, away = jax.jit(objective.loss)(PARAMS, (), jax.random.key(0), draws(64), clock(99))
    assert away["beta"] == 1 and away["reverse_kl"] == loss and 1 / 64 <= away["ess"] < 0.9


def entry(objective, model, config=None, learning_rate=0.05):
    return Entry(model, objective, adam(learning_rate), card=Card("gaussian", config=config or {}))


@pytest.fixture(scope="module", params=[1, 2])
def fitted(request):
    model = gaussian()
    devices = jax.devices()[: request.param]
    one = entry(objectives.reverse_kl(model, target), model)
    return model, fit(jax.random.key(0), one, None, 300, batch_size=32, ema=0.9, devices=devices, progress=False)


def test_a_fit_without_data_finds_the_target_on_one_device_and_on_two(fitted):
    _, result = fitted
    np.testing.assert_allclose(result.params["loc"], LOC, atol=0.02)
    lower = np.tril(result.params["tril"])
    np.testing.assert_allclose(lower @ lower.T, np.diag(SCALE**2), atol=0.05)
    np.testing.assert_allclose(result.history["reverse_kl"][-1], -LOG_Z, atol=1e-3)


def test_the_fitted_model_knows_the_normaliser(fitted):
    model, result = fitted
    found = evaluation.importance(jax.random.key(1), model, result.params, target, 2_000)
    assert found.ess > 1_990 and abs(found.log_z - LOG_Z) < 3 * found.log_z_stderr + 1e-4
    kl, stderr = found.kl(LOG_Z)
    assert -3 * stderr - 1e-5 <= kl < 0.01


def test_conditions_are_given_without_events():
    """An amortised posterior: the target's mean is the condition."""
    cond = np.random.default_rng(0).standard_normal((500, 1)).astype(np.float32)
    model = Model(bases.normal((1,)), T.coupling(T.scale_and_shift(), lambda out: nets.mlp(out, width=8, depth=1)))
    objective = objectives.reverse_kl(model, lambda x, c: -0.5 * jnp.sum((x - 2 * c) ** 2))
    one = entry(objective, model, {"event_shape": (1,), "cond_shape": (1,)}, 0.03)
    result = fit(jax.random.key(0), one, None, 300, cond=cond, batch_size=64, ema=0.9, progress=False)
    np.testing.assert_allclose(result.history["reverse_kl"][-20:].mean(), -0.5 * np.log(2 * np.pi), atol=0.05)


def test_data_that_is_missing_or_superfluous_is_named():
    model = gaussian()
    free, bound = entry(objectives.reverse_kl(model, target), model), entry(objectives.maximum_likelihood(model), model)
    x, key = np.ones((5, 2), np.float32), jax.random.key(0)
    with pytest.raises(ValueError, match="data=None; accepted: events.*reverse_kl"):
        fit(key, bound, None, 2)
    with pytest.raises(ValueError, match="data=an array; accepted: data=None"):
        fit(key, free, x, 2)
    with pytest.raises(ValueError, match="valid=an array; accepted: valid=None"):
        fit(key, free, None, 2, valid=x)
    with pytest.raises(ValueError, match="cond=.*accepted: cond=None"):
        fit(key, free, None, 2, cond=x)


def test_a_target_that_is_not_a_scalar_is_refused():
    objective = objectives.reverse_kl(gaussian(), lambda x: -(x**2))
    with pytest.raises(ValueError, match=r"log_density\(x\) of shape \(2,\); accepted: a scalar for one event"):
        objective.loss(PARAMS, (), jax.random.key(0), draws(4), clock(0))


def test_a_model_that_leaves_the_support_diverges_by_name():
    model = gaussian()
    half_line = objectives.reverse_kl(model, lambda x: jnp.where(x[0] > 0, -x[0], -jnp.inf))
    with pytest.raises(training.TrainingDiverged, match="at step 0"):
        fit(jax.random.key(0), entry(half_line, model), None, 3, batch_size=32, progress=False)
