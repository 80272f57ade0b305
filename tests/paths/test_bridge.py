"""The Schrodinger bridge between Gaussians: its coupling is the static optimum, its drifts carry the moments, and fitting in rounds ends in it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import paths

SIGMA = 0.7


def gaussians(d):
    rng = np.random.default_rng(d)
    return tuple((rng.standard_normal(d), np.cov(rng.standard_normal((d, 4 * d + 2))).reshape(d, d) + 0.1 * np.eye(d)) for _ in range(2))


def end_of(field, start, sigma, steps=60):
    """Mean and covariance at the end, and the covariance of start and end, of dX = field(X, t) dt + sigma dW from a Gaussian, by RK4."""
    d = start[0].size
    points = jnp.asarray(np.concatenate([np.zeros((1, d)), np.eye(d)]))
    values = np.asarray(jax.jit(jax.vmap(lambda t: jax.vmap(lambda x: field((), x, t))(points)))(jnp.linspace(0.0, 1.0, 2 * steps + 1)))
    shifts, slopes = values[:, 0], np.swapaxes(values[:, 1:] - values[:, :1], 1, 2)

    def rates(k, mean, covariance, joint):
        a = slopes[k]
        return a @ mean + shifts[k], a @ covariance + covariance @ a.T + sigma**2 * np.eye(d), joint @ a.T

    state, h = (start[0], start[1], start[1]), 1 / steps
    for k in range(0, 2 * steps, 2):
        k1 = rates(k, *state)
        k2 = rates(k + 1, *(s + h / 2 * r for s, r in zip(state, k1, strict=True)))
        k3 = rates(k + 1, *(s + h / 2 * r for s, r in zip(state, k2, strict=True)))
        k4 = rates(k + 2, *(s + h * r for s, r in zip(state, k3, strict=True)))
        state = tuple(s + h / 6 * (a + 2 * b + 2 * c + e) for s, a, b, c, e in zip(state, k1, k2, k3, k4, strict=True))
    return state


@pytest.mark.parametrize("d", [1, 5])
def test_the_coupling_is_the_static_optimum(d):
    """The plan is exp(f(x) + g(y) - |x - y|^2 / 2 sigma^2): its precision couples x and y by -1 / sigma^2 alone, and its marginals are kept."""
    (_, a), (_, b) = gaussians(d)
    c = paths.gaussian_bridge(*gaussians(d), SIGMA).coupling
    precision = np.linalg.inv(np.block([[a, c], [c.T, b]]))
    np.testing.assert_allclose(precision[:d, d:], -np.eye(d) / SIGMA**2, rtol=1e-9, atol=1e-9)
    same = paths.gaussian_bridge(([0.0], [[1.0]]), ([3.0], [[1.0]]), 1.0)
    np.testing.assert_allclose(same.coupling, (np.sqrt(5) - 1) / 2, rtol=1e-12)


@pytest.mark.parametrize("d", [1, 5])
def test_both_drifts_carry_one_end_to_the_other_with_the_coupling(d, x64):
    with x64():
        source, target = gaussians(d)
        truth = paths.gaussian_bridge(source, target, SIGMA)
        for field, start, end, coupling in (
            (truth.drift, source, target, truth.coupling),
            (lambda p, x, t: truth.backward_drift(p, x, 1 - t), target, source, truth.coupling.T),
        ):
            for found, expected in zip(end_of(field, start, SIGMA), (*end, coupling), strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        for found, expected in zip(end_of(truth.velocity, source, 0.0)[:2], target, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_score_velocity_and_drifts_are_readings_of_each_other(x64):
    with x64():
        truth, x, t = paths.gaussian_bridge(*gaussians(3), SIGMA), jnp.asarray([0.3, -1.0, 2.0]), jnp.asarray(0.3)
        mean, covariance = truth.mean(0.3), truth.covariance(0.3)
        np.testing.assert_allclose(truth.score((), x, t), -np.linalg.solve(covariance, x - mean), rtol=1e-10)
        both, back = (truth.drift, truth.backward_drift), (truth.velocity, truth.score)
        for found, expected in (
            *zip(paths.drifts(*back, SIGMA), both, strict=True),
            *zip(paths.velocity_and_score(*both, SIGMA), back, strict=True),
        ):
            np.testing.assert_allclose(found((), x, t), expected((), x, t), rtol=1e-10)


def test_iterative_markovian_fitting_ends_in_the_bridge(x64):
    """Each projection keeps both ends whatever the coupling, and the couplings approach the bridge's from independence (2303.16852, theorem 8)."""
    with x64():
        ends = gaussians(1)
        best, coupling, gaps = paths.gaussian_bridge(*ends, SIGMA).coupling, np.zeros((1, 1)), []
        for _ in range(6):
            projection = paths.gaussian_bridge(*ends, SIGMA, coupling=coupling)
            mean, covariance, coupling = end_of(projection.drift, ends[0], SIGMA)
            np.testing.assert_allclose(mean, ends[1][0], rtol=1e-4)
            np.testing.assert_allclose(covariance, ends[1][1], rtol=1e-4)
            gaps.append(abs(float(coupling[0, 0] - best[0, 0])))
        assert all(after < 0.8 * before for before, after in zip(gaps, gaps[1:], strict=False)), gaps
        assert gaps[-1] < 0.05 * best


def test_bad_arguments_are_named():
    good = ([0.0], [[1.0]])
    for arguments, message in (
        ((good, ([0.0], [[-1.0]])), "target.*positive definite"),
        ((([0.0], [1.0]), good), r"source: mean \(1,\), covariance \(1,\)"),
        ((good, (np.zeros(2), np.eye(2))), "target of dimension 2; accepted: the dimension of source, 1"),
        ((good, good, 0.0), r"sigma=0\.0"),
        ((good, good, 1.0, [0.3]), r"coupling of shape \(1,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            paths.gaussian_bridge(*arguments)
