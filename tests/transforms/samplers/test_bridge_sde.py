"""The bridge between Gaussians with its closed-form drifts as networks: both directions have its joint law, and the bound is its density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jaxgen
from jaxgen import bases, paths, transforms

SIGMA, STEPS, N = 0.8, 40, 4_000


def ends(d):
    rng = np.random.default_rng(d)
    return tuple((rng.standard_normal(d), np.cov(rng.standard_normal((d, 4 * d + 2))).reshape(d, d) + 0.2 * np.eye(d)) for _ in range(2))


def sampler(d, off=0.0, **options):
    """`off`: what is wrong with the backward drift."""
    truth = paths.gaussian_bridge(*ends(d), SIGMA)
    return transforms.bridge_sde(
        lambda *_: (), truth.drift, lambda params, x, t, cond=None: truth.backward_drift(params, x, t) + off, SIGMA, STEPS, **options
    )


def base(start):
    return bases.joint({"x0": bases.full_gaussian(*start), "increments": bases.normal((STEPS, start[0].size))})


def assert_joint(x, y, truth, start, end):
    """Rows `x` and `y` are the two ends, in that order: means and covariances within Monte Carlo error and that of the steps."""
    d, found = x.shape[1], np.concatenate([x, y], 1)
    expected = np.block([[start[1], truth], [truth.T, end[1]]])
    sds = np.sqrt(np.diag(expected))
    np.testing.assert_array_less(np.abs(found.mean(0) - np.concatenate([start[0], end[0]])), 4 * sds / np.sqrt(N) + 0.01)
    stderr = np.sqrt((np.outer(sds, sds) ** 2 + expected**2) / N)
    np.testing.assert_array_less(np.abs(np.cov(found.T) - expected), 4.5 * stderr + 0.015 * np.outer(sds, sds))
    assert found.shape == (N, 2 * d)


@pytest.mark.parametrize(
    ("d", "reverse", "method"), [(1, False, "euler_maruyama"), (1, True, "heun"), (5, False, "heun"), (5, True, "euler_maruyama")]
)
def test_start_and_end_have_the_joint_law_of_the_bridge(d, reverse, method, key):
    source, target = ends(d)
    start, end = (target, source) if reverse else (source, target)
    coupling = paths.gaussian_bridge(source, target, SIGMA).coupling
    z = base(start).sample(seed=key, sample_shape=(N,))
    x = jax.jit(jax.vmap(lambda z: sampler(d, reverse=reverse, method=method).forward((), z)))(z)
    assert_joint(np.asarray(z["x0"]), np.asarray(x), coupling.T if reverse else coupling, start, end)


@pytest.mark.parametrize(("d", "reverse"), [(1, False), (2, True)])
def test_the_inverse_draws_the_source_and_its_bound_is_the_density(d, reverse, key):
    source, target = ends(d)
    start, end = (target, source) if reverse else (source, target)
    coupling = paths.gaussian_bridge(source, target, SIGMA).coupling
    model = jaxgen.Model(base(start), sampler(d, reverse=reverse))
    law = scipy.stats.multivariate_normal(*end)
    x = law.rvs(N, random_state=0).reshape(N, d).astype(np.float32)
    z = jaxgen.encode(model, (), x, key=key)
    assert_joint(np.asarray(z["x0"]), x, coupling.T if reverse else coupling, start, end)
    np.testing.assert_allclose(jax.jit(jax.vmap(lambda z: model.transform.forward((), z)))(z), x, atol=5e-4)
    bound, exact = jaxgen.log_prob(model, (), x, key=key).value, law.logpdf(x)
    gap = np.mean(exact) - np.mean(np.asarray(bound, np.float64))
    # Of the steps, which are finite; noise that is counted twice or not at all would cost half a nat a step.
    assert -0.005 * d < gap < 0.05 * d


def test_weights_of_the_bound_average_to_one_whatever_the_way_back(key):
    """With its backward drift off by 0.5 the bound falls by (0.5 / sigma)^2 / 2 (Girsanov), and the weights undo it."""
    _, (mean, covariance) = ends(1)
    model = jaxgen.Model(base(ends(1)[0]), sampler(1, off=0.5))
    x = np.random.default_rng(0).normal(mean, np.sqrt(covariance[0]), (N, 1)).astype(np.float32)
    logs = np.asarray(jaxgen.log_prob(model, (), x, key=key).value) - scipy.stats.norm.logpdf(x[:, 0], mean, np.sqrt(covariance[0, 0]))
    weights = np.exp(logs)
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(N) + 0.01
    np.testing.assert_allclose(-logs.mean(), 0.5 * (0.5 / SIGMA) ** 2, atol=0.05)


def test_a_bound_on_a_data_set_says_why_there_is_none():
    rows = bases.joint({"x0": bases.data_set(np.zeros((3, 1))), "increments": bases.normal((STEPS, 1))})
    with pytest.raises(jaxgen.transform.ImplicitDensityError, match="no density"):
        jaxgen.log_prob(jaxgen.Model(rows, sampler(1)), (), jnp.zeros((2, 1)), key=jax.random.key(0))


def test_bad_arguments_are_named():
    for options, message in (
        ({"method": "sra1"}, "method='sra1'.*heun"),
        ({"num_steps": 0}, "num_steps=0"),
        ({"sigma": -1.0}, r"sigma=-1\.0"),
    ):
        arguments = {"sigma": 1.0, "num_steps": 3} | options
        with pytest.raises(ValueError, match=message):
            transforms.bridge_sde(lambda *_: (), jnp.sin, jnp.sin, **arguments)
    with pytest.raises(ValueError, match="key=None"):
        sampler(1).inverse((), jnp.zeros(1))


@pytest.mark.parametrize("reverse", [False, True])
def test_the_way_back_reads_the_other_drift_where_each_step_ends(reverse, x64):
    """With next to no noise and drifts of t alone, each way is the sum of its Euler steps, from the later time of each on the way back."""
    with x64():
        drift, backward_drift = (lambda params, x, t, cond=None: jnp.exp(t) + 0 * x), (lambda params, x, t, cond=None: t**2 + 0 * x)
        walk = transforms.bridge_sde(lambda *_: (), drift, backward_drift, 1e-9, 3, reverse=reverse)
        times = np.sin(np.pi * np.arange(4) / 6) ** 2
        back = np.exp(1 - times) if reverse else times**2
        x = jnp.asarray([0.3, -0.4])
        z = walk.inverse((), x, key=jax.random.key(0)).z
        np.testing.assert_allclose(z["x0"], x + np.sum(np.diff(times) * back[1:]), atol=1e-7)
        ahead = (1 - times) ** 2 if reverse else np.exp(times)
        still = {"x0": x, "increments": jnp.zeros((3, 2))}
        np.testing.assert_allclose(walk.forward((), still), x + np.sum(np.diff(times) * ahead[:-1]), rtol=1e-12)
