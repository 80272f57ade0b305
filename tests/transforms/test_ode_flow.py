"""The ODE of a Gaussian diffusion is affine: samples and densities in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases, numerics, paths, transforms
from jaxgen.lifting import over_batch
from jaxgen.model import Model, log_prob
from jaxgen.transform import Density, Part, density_of

PATHS = {"linear": paths.linear(), "vp_linear": paths.vp_linear(), "vp_cosine": paths.vp_cosine(), "edm": paths.edm()}


@pytest.mark.parametrize("name", ["vp_linear", "vp_cosine", "edm"])
def test_probability_flow_carries_noise_to_the_gaussian(name, gaussian_diffusion, no_params, x64):
    with x64():
        truth = gaussian_diffusion(PATHS[name])
        flow = transforms.probability_flow(no_params, truth.prediction, solver=numerics.adaptive(1e-9, 1e-9))
        z = jnp.asarray([0.4, -1.7])
        x, log_det = jax.jit(flow.forward_and_log_det)((), z)
        expected, log_slope = truth.transported(z)
        np.testing.assert_allclose(x, expected, rtol=1e-6)
        np.testing.assert_allclose(log_det, 2 * log_slope, rtol=1e-6)


def test_its_density_is_the_gaussians(gaussian_diffusion, no_params):
    truth = gaussian_diffusion(paths.vp_cosine(first=0.9999))
    model = Model(bases.normal((2,)), transforms.probability_flow(no_params, truth.prediction))
    x = np.array([[0.7, 0.2], [1.5, -1.0], [3.0, 0.7]])
    found = log_prob(model, (), x)
    assert found.density is Density.EXACT and not found.stderr.any()
    np.testing.assert_allclose(found.value, scipy.stats.norm.logpdf(x, 0.7, 0.5).sum(1), rtol=2e-3)


def test_a_linear_field_has_the_matrix_exponential_as_its_flow(no_params, x64):
    with x64():
        matrix = np.array([[0.3, 0.5], [-0.8, 0.2]])
        flow = transforms.ode_flow(no_params, lambda params, x, t, cond: matrix @ x, solver=numerics.fixed(32), scale=2.0)
        z = jnp.asarray([1.0, -0.5])
        np.testing.assert_allclose(flow.forward((), z), 2 * scipy.linalg.expm(matrix) @ z, rtol=1e-6)
        np.testing.assert_allclose(flow.inverse((), flow.forward((), z)).log_det, -0.5 - 2 * np.log(2), rtol=1e-6)


@pytest.mark.parametrize("trace", ["exact", "hutchinson"])
def test_a_batch_from_a_scale_is_its_events_each_with_a_probe_of_its_own(trace, no_params):
    matrix = jnp.asarray([[0.3, 0.5], [-0.8, 0.2]])
    flow = transforms.ode_flow(no_params, lambda params, x, t, cond: matrix @ x, solver=numerics.fixed(2), trace=trace, scale=2.0)
    x, keys = jnp.tile(jnp.asarray([[1.0, -0.5], [0.3, 2.0]]), (4, 1)), jax.random.split(jax.random.key(1), 8)
    batch, alone = over_batch(flow).inverse((), x, None, keys), over_batch(flow._replace(many=None)).inverse((), x, None, keys)
    np.testing.assert_allclose(batch.z, alone.z, rtol=1e-5)
    np.testing.assert_allclose(batch.log_det, alone.log_det, rtol=1e-5)
    if trace == "exact":
        np.testing.assert_allclose(over_batch(flow).forward_and_log_det((), batch.z)[1], 0.5 + 2 * np.log(2), rtol=1e-4)
        np.testing.assert_allclose(batch.log_det, -0.5 - 2 * np.log(2), rtol=1e-4)


@pytest.mark.parametrize("trace", ["exact", "hutchinson"])
def test_the_energy_of_growth_has_a_price_that_the_density_pays(trace, no_params, x64):
    """dx/dt = a x from z: the integral of |a x|^2 is a |z|^2 (e^2a - 1) / 2, whatever the trace; for a batch as for one event."""
    with x64():
        a, z, price = 0.7, np.array([1.0, -0.5]), 0.3
        flow, free = (
            transforms.ode_flow(no_params, lambda params, x, t, cond: a * x, solver=numerics.fixed(32), trace=trace, energy=e)
            for e in (price, 0.0)
        )
        x, key = jnp.asarray(np.exp(a) * z), jax.random.key(0)
        found, batch = flow.inverse((), x, None, key), over_batch(flow).inverse((), x[None], None, key[None])
        expected = price * a * (z @ z) * (np.exp(2 * a) - 1) / 2
        np.testing.assert_allclose([found.log_q, batch.log_q[0]], expected, rtol=1e-6)
        np.testing.assert_allclose([*found.z, found.log_det], [*z, -2 * a], rtol=1e-6)
        assert flow.kind is Density.LOWER_BOUND and flow.forward_and_log_det is None
        assert free.inverse((), x, None, key).log_q == 0.0
        with pytest.raises(ValueError, match="energy=-1.*at least 0"):
            transforms.ode_flow(no_params, lambda params, x, t, cond: x, energy=-1)


@pytest.mark.parametrize("exact", [False, True])
def test_refinement_changes_the_solver_and_what_is_asked_for_and_nothing_else(exact, no_params):
    """A refined flow is the flow that is built with the refined solver: scale, energy, probes and parts stay."""
    matrix, solver = jnp.asarray([[0.3, 0.5], [-0.8, 0.2]]), numerics.fixed(2)
    parts = {"mark": Part(lambda params, cond=None: 7.0)}

    def flow(solver, trace, num_probes):
        velocity = lambda params, x, t, cond: matrix @ x
        how = {"scale": 2.0, "energy": 0.3, "parts": parts, "trace": trace, "num_probes": num_probes}
        return transforms.ode_flow(no_params, velocity, solver=solver, **how)

    refined = flow(solver, "hutchinson", 3).hooks.refine(1, exact)
    built = flow(numerics.refined(solver, 1), *(("exact", None) if exact else ("hutchinson", 3)))
    assert refined.kind is built.kind is Density.LOWER_BOUND and set(refined.parts) == {"mark", "velocity"}
    x, key = jnp.asarray([1.0, -0.5]), jax.random.key(0)
    for ours, theirs in zip(refined.inverse((), x, None, key), built.inverse((), x, None, key), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(refined.forward((), x), built.forward((), x))


def test_every_reading_of_an_ode_is_labelled_by_its_trace(no_params, gaussian_diffusion):
    """A jump or a sampler of few steps whose density comes from an estimated trace is not called exact."""
    args = (no_params, gaussian_diffusion(PATHS["vp_linear"]).prediction)
    readings = {name: getattr(transforms, name)(*args, 3, trace="hutchinson") for name in ("ddim", "euler", "heun", "dpm_solver")}
    readings["probability_flow"] = transforms.probability_flow(*args, trace="hutchinson")
    jump = lambda params, x, t, s, cond=None: x
    readings["flow_map"] = transforms.flow_map(no_params, jump, density="ode", trace="hutchinson")
    assert {name: f.kind for name, f in readings.items()} == dict.fromkeys(readings, Density.UNBIASED)
    assert all(f.hooks.refine(0, True).kind is Density.EXACT for f in map(density_of, readings.values()))


def test_an_estimate_needs_a_key_and_a_known_trace(no_params):
    flow = transforms.ode_flow(no_params, lambda params, x, t, cond: x, trace="hutchinson")
    assert flow.kind is Density.UNBIASED and flow.forward_and_log_det is None
    with pytest.raises(ValueError, match=r"key=None.*jax\.random\.key"):
        flow.inverse((), jnp.ones(2))
    for options, message in (
        ({"trace": "skilling"}, "trace='skilling'; accepted: 'exact', 'hutchinson', 'hutchinson_gaussian', 'hutch"),
        ({"num_probes": 2}, "num_probes=2 with trace='exact'; accepted: None"),
        ({"trace": "hutch++", "num_probes": 4}, "num_probes=4 .*accepted: a positive multiple of 3"),
        ({"trace": "hutchinson", "num_probes": 0}, "num_probes=0"),
    ):
        with pytest.raises(ValueError, match=message):
            transforms.ode_flow(no_params, lambda *a: a, **options)


def test_the_reading_of_a_large_event_averages_estimates(no_params):
    """In seventeen dimensions: each Rademacher draw differs, their mean is within the standard error of the exact density."""
    rng = np.random.default_rng(0)
    matrix = jnp.asarray(0.3 * rng.standard_normal((17, 17)), jnp.float32)

    def reading(trace, num_probes=None):
        flow = transforms.ode_flow(
            no_params, lambda p, x, t, c: matrix @ x, solver=numerics.fixed(2, "midpoint"), trace=trace, num_probes=num_probes
        )
        return Model(bases.normal((17,)), flow)

    x = jnp.asarray(rng.standard_normal((3, 17)), jnp.float32)
    exact = log_prob(reading("exact"), (), x)
    estimate = log_prob(reading("hutchinson"), (), x, key=jax.random.key(0), num_draws=400)
    assert estimate.density is Density.UNBIASED
    assert np.all(estimate.stderr > 0.01)
    assert np.all(np.abs(estimate.value - exact.value) < 4 * estimate.stderr)
    # A sketch as wide as the event leaves nothing to estimate.
    sketched = log_prob(reading("hutch++", 51), (), x, key=jax.random.key(0))
    np.testing.assert_allclose(sketched.value, exact.value, rtol=1e-5)
