"""Importance sampling where everything is known: Gaussians as proposals of Gaussians, Pareto tails of known shape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from scipy.special import logsumexp

from jaxgen import bases, evaluation, nets
from jaxgen import transforms as T
from jaxgen.model import Model

LOG_Z, N = -3.4, 20_000


def target(x):
    """exp(LOG_Z) times a standard Gaussian in two dimensions."""
    return LOG_Z - 0.5 * jnp.sum(x**2) - jnp.log(2 * jnp.pi)


def proposal(scale, loc=0.0):
    return Model(bases.normal((2,)), T.affine(loc, scale))


@pytest.fixture(scope="module")
def wide():
    return evaluation.importance(jax.random.key(0), proposal(1.5), (), target, N, batch_size=3_000)


def test_weights_are_the_ratio_of_the_densities(wide):
    x = np.asarray(wide.x, np.float64)
    expected = LOG_Z + scipy.stats.norm.logpdf(x).sum(1) - scipy.stats.norm(scale=1.5).logpdf(x).sum(1)
    np.testing.assert_allclose(wide.log_weight, expected, atol=1e-5)
    np.testing.assert_allclose(wide.weight, np.exp(expected - logsumexp(expected)), rtol=1e-4)
    assert wide.x.shape == (N, 2) and np.isclose(wide.weight.sum(), 1)


def test_effective_sample_size_and_normaliser_are_those_of_the_closed_form(wide):
    """E[w]^2 / E[w^2] = sqrt(2 s^2 - 1) / s^2 for each coordinate, and the relative variance of w is its inverse less 1."""
    share = (2 * 1.5**2 - 1) / 1.5**4
    np.testing.assert_allclose(wide.ess / N, share, rtol=0.02)
    np.testing.assert_allclose(wide.log_z_stderr, np.sqrt((1 / share - 1) / N), rtol=0.02)
    assert abs(wide.log_z - LOG_Z) < 4 * wide.log_z_stderr


@pytest.mark.parametrize(("scale", "loc"), [(1.5, 0.0), (0.8, 0.3), (1.0, 0.0), (1.0, 1e-3)])
def test_kl_to_a_known_target_is_the_closed_form_and_never_negative(scale, loc):
    found = evaluation.importance(jax.random.key(1), proposal(scale, loc), (), target, N)
    kl, stderr = found.kl(LOG_Z)
    assert kl >= -3 * stderr - 1e-6
    assert abs(kl - (scale**2 + loc**2 - 1 - 2 * np.log(scale))) < 4 * stderr + 1e-6
    assert found.elbo <= found.log_z


def test_the_standard_error_is_that_of_repeated_runs():
    model = proposal(1.3)
    runs = [evaluation.importance(jax.random.key(i), model, (), target, 400) for i in range(60)]
    np.testing.assert_allclose(np.std([r.log_z for r in runs]), np.mean([r.log_z_stderr for r in runs]), rtol=0.3)
    np.testing.assert_allclose(np.std([r.elbo for r in runs]), np.mean([r.elbo_stderr for r in runs]), rtol=0.3)


def test_means_under_the_target_are_weighted_sums(wide):
    np.testing.assert_allclose(wide.weight @ np.asarray(wide.x) ** 2, 1.0, atol=0.05)


def test_draws_do_not_depend_on_the_batch_size():
    model = proposal(1.5)
    one, other = (evaluation.importance(jax.random.key(2), model, (), target, 50, batch_size=b) for b in (50, 7))
    np.testing.assert_allclose(one.log_weight, other.log_weight, rtol=1e-5)


def test_outside_the_support_the_weight_is_zero():
    found = evaluation.importance(jax.random.key(3), proposal(1.0), (), lambda x: jnp.where(x[0] > 0, target(x), -jnp.inf), N)
    assert np.all((found.weight == 0) == (np.asarray(found.x)[:, 0] <= 0))
    np.testing.assert_allclose(found.ess / N, 0.5, rtol=0.05)
    assert abs(found.log_z - (LOG_Z + np.log(0.5))) < 4 * found.log_z_stderr
    assert found.kl(LOG_Z)[0] == np.inf
    nowhere = evaluation.weigh(np.zeros((4, 2)), np.full(4, -np.inf))
    assert nowhere.ess == 0 and nowhere.log_z == -np.inf and not nowhere.weight.any()


def test_large_log_weights_do_not_overflow():
    log_weight = np.random.default_rng(0).standard_normal(1_000)
    near, far = (evaluation.weigh(None, log_weight + shift) for shift in (0.0, 1e4))
    np.testing.assert_allclose([far.log_z - 1e4, far.ess, far.pareto_k], [near.log_z, near.ess, near.pareto_k], rtol=1e-6)


@pytest.mark.parametrize("variance", [0.3, 0.5, 0.7, 0.9])
def test_pareto_k_of_a_proposal_that_is_too_narrow(variance):
    """The weights exp(a x^2) of N(0, s^2) for N(0, 1) have a tail of shape 1 - s^2, reached from below."""
    x = np.sqrt(variance) * np.random.default_rng(0).standard_normal(200_000)
    k = evaluation.pareto_k(-0.5 * x**2 + 0.5 * x**2 / variance)
    assert 1 - variance - 0.12 < k < 1 - variance + 0.05


@pytest.mark.parametrize("shape", [-0.4, 0.0, 0.3, 0.7, 1.5])
def test_pareto_k_of_weights_with_a_pareto_tail(shape):
    """A tail of a generalised Pareto distribution is one of the same shape; its estimate is drawn towards 1/2 by ten observations."""
    rng = np.random.default_rng(1)
    weight = scipy.stats.genpareto(shape, scale=2.0).rvs(100_000, random_state=rng)
    num_tail = 3 * np.sqrt(100_000)
    expected = (num_tail * shape + 5) / (num_tail + 10)
    assert abs(evaluation.pareto_k(np.log(weight)) - expected) < 4 * (1 + abs(shape)) / np.sqrt(num_tail)


@pytest.mark.parametrize(("num", "num_tail"), [(125, 25), (1_000, 95)])
def test_pareto_k_reads_the_stated_tail_and_no_more_and_is_drawn_towards_a_half(num, num_tail):
    """From quantiles, whose own fit is close to their shape: a prior left out, or one of another scale, is 0.05 away or more."""
    log_weight = np.log(scipy.stats.genpareto(0.3).ppf((np.arange(num) + 0.5) / num))
    k = evaluation.pareto_k(log_weight)
    assert abs(k - (0.3 * num_tail + 5) / (num_tail + 10)) < 0.02
    bulk_lowered, threshold_lowered = log_weight.copy(), log_weight.copy()
    bulk_lowered[: -num_tail - 1] -= 1.0
    threshold_lowered[:-num_tail] -= 1.0
    assert evaluation.pareto_k(bulk_lowered) == k != evaluation.pareto_k(threshold_lowered)


def test_pareto_k_of_equal_weights_and_of_too_few():
    assert evaluation.pareto_k(np.zeros(1_000)) == -np.inf
    assert np.isnan(evaluation.pareto_k(np.zeros(20)))
    assert np.isnan(evaluation.pareto_k(np.full(1_000, -np.inf)))


def test_pareto_k_of_weights_that_underflow_beside_the_largest_is_no_praise():
    """Wider and wider log weights are worse and worse, also once the second largest weight is no number beside the largest."""
    log_weight = np.random.default_rng(0).standard_normal(20_000)
    found = [evaluation.pareto_k(scale * log_weight) for scale in (1.0, 10.0, 300.0, 3_000.0)]
    assert 0.7 < found[1] < found[2] < found[3] == np.inf and found[0] < found[1]


def test_one_condition_serves_all_draws():
    layer = T.coupling(T.scale_and_shift(), lambda out: nets.mlp(out, width=4, depth=1))
    model = Model(bases.normal((2,)), layer)
    params = jax.tree.map(lambda a: a + 0.3, layer.init(jax.random.key(0), jnp.zeros(2), jnp.zeros(3)))
    cond = np.array([1.0, -1.0, 0.5], np.float32)
    found = evaluation.importance(jax.random.key(1), model, params, target, 5_000, cond)
    assert abs(found.log_z - LOG_Z) < 4 * found.log_z_stderr


def test_bad_input_is_named():
    model, key = proposal(1.0), jax.random.key(0)
    with pytest.raises(ValueError, match="importance: density=implicit; accepted: an exact one"):
        evaluation.importance(key, Model(bases.normal((2,)), T.generator(nets.mlp(2, width=4, depth=1))), (), target)
    with pytest.raises(ValueError, match=r"log_density=one that returns shape \(2,\); accepted: a scalar"):
        evaluation.importance(key, model, (), lambda x: x, 10)
    with pytest.raises(FloatingPointError, match="of 10 draws are NaN"):
        evaluation.importance(key, model, (), lambda x: jnp.nan * x[0], 10)
    with pytest.raises(ValueError, match=r"weigh: log_weight=array of shape \(1,\); accepted: \(n,\) with n >= 2"):
        evaluation.weigh(np.zeros((1, 2)), np.zeros(1))
