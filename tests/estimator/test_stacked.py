"""The stacked mixture: its parts are the densities that they are said to be, and its weights are those that predict best."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import jaxgen
from jaxgen import bases, transforms
from jaxgen.estimator.stacked import GUARD, log_prob_of, stack, stacking_weights


def log_prob(stacked, x):
    base = bases.joint({"choice": bases.uniform(()), "noise": bases.normal((x.shape[1],))})
    model = jaxgen.Model(base, transforms.mixture_affine(stacked.num_components, stacked.num_kernels))
    return np.asarray(jaxgen.log_prob(model, {k: jnp.asarray(v, jnp.float32) for k, v in stacked.params.items()}, np.float32(x)).value)


def test_the_params_are_the_mixture_of_gaussians_and_kernels():
    """Its density is the weighted sum of the components' and of the kernels', from SciPy."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((60, 2)), np.asarray([3.0, 0.0]) + 0.1 * rng.standard_normal((60, 2))])
    stacked, at = stack(x), rng.standard_normal((7, 2))
    p = stacked.params
    logs = []
    for logit, loc, w in zip(p["logits"], p["loc"], p["whitener"], strict=True):
        logs.append(logit + multivariate_normal(loc, np.linalg.inv(w.T @ w)).logpdf(at))
    if stacked.num_kernels:
        shared = np.linalg.inv(p["kernel_whitener"].T @ p["kernel_whitener"])
        logs += [p["kernel_logit"] - np.log(stacked.num_kernels) + multivariate_normal(c, shared).logpdf(at) for c in p["centres"]]
    np.testing.assert_allclose(log_prob(stacked, at), logsumexp(logs, axis=0), rtol=1e-4)
    np.testing.assert_allclose(logsumexp(p["logits"]), np.log(1 - stacked.weights.get("kernels", 0)), atol=1e-6)
    np.testing.assert_allclose(log_prob_of(stacked, at), log_prob(stacked, at), rtol=1e-4)
    # In sample the mixture looks better than on rows that it has not seen.
    assert stacked.score < log_prob_of(stacked, x).mean()


def test_weights_are_those_of_the_likelihood():
    """Two densities of which each is right for some rows: the maximum is where the derivative of the likelihood vanishes."""
    rng = np.random.default_rng(1)
    logs = np.log(np.where(rng.random((4_000, 1)) < 0.3, [[0.9, 0.2]], [[0.1, 0.7]]))
    w = stacking_weights(logs)
    ratios = np.exp(logs - logsumexp(np.log(w) + logs, axis=1, keepdims=True)).mean(0)
    np.testing.assert_allclose(ratios, 1.0, atol=1e-3)
    # A prior of as many rows as there are pulls half the way to equal weights.
    certain = np.log(np.asarray([[1.0, 1e-9]] * 10))
    np.testing.assert_allclose(stacking_weights(certain, prior=5.0), [0.75, 0.25], atol=1e-6)


@pytest.mark.parametrize("kind", ["gaussian", "clusters", "spiral"])
def test_it_is_hardly_worse_than_the_best_of_its_parts_on_fresh_rows(kind):
    """Held-out rows of three shapes, each of which another part predicts best."""
    from sklearn.neighbors import KernelDensity

    from jaxgen.evaluation import baselines

    rng = np.random.default_rng(2)

    def draw(n):
        if kind == "gaussian":
            return rng.standard_normal((n, 4)) @ np.asarray([[1, 0.5, 0, 0], [0, 1, 0.9, 0], [0, 0, 0.3, 0], [0, 0, 0, 2.0]])
        if kind == "clusters":
            return 4 * rng.integers(3, size=(n, 1)) + 0.3 * rng.standard_normal((n, 2))
        t = 9 * np.sqrt(rng.random(n)) + 1
        return np.stack([t * np.cos(t), t * np.sin(t)], 1) / 3 + 0.1 * rng.standard_normal((n, 2))

    x, fresh = draw(200), draw(1_000)
    loc, scale = x.mean(0), x.std(0)
    x, fresh = (x - loc) / scale, (fresh - loc) / scale
    simple = baselines(x, fresh)
    kernels = min(-KernelDensity(bandwidth=h).fit(x).score_samples(fresh).mean() for h in np.geomspace(0.05, 1, 12))
    assert -log_prob(stack(x), fresh).mean() < min(simple.gaussian, simple.mixture, kernels) + 0.1


def test_few_rows_and_constant_columns_are_a_gaussian_or_finite():
    rng = np.random.default_rng(3)
    few = stack(rng.standard_normal((5, 3)))
    assert (few.num_components, few.num_kernels, list(few.weights)) == (1, 0, ["gaussian"])
    constant = np.concatenate([rng.standard_normal((80, 1)), np.zeros((80, 1))], 1)
    assert np.isfinite(log_prob(stack(constant), constant)).all()


def test_held_out_log_densities_are_those_of_the_rows_in_their_order():
    """Two clusters apart: each row is likely under a mixture of its own fold, and unlikely in the place of a row of the other cluster."""
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(-5.0, 1.0, (40, 1)), rng.normal(5.0, 0.05, (40, 1))]) / 5
    logs = stack(x).logs
    assert logs[40:].mean() > logs[:40].mean() + 2


def test_a_row_far_out_has_a_density_although_none_was_seen():
    """The guard counts as half a row more than the rows say: 12 deviations away it saves most of the Gaussian's 72 nats."""
    x = np.random.default_rng(5).standard_normal((400, 1))
    stacked = stack(x)
    assert 1e-3 < stacked.weights[GUARD] < 0.01
    assert -25 < log_prob_of(stacked, np.asarray([[12.0]]))[0] < -12
