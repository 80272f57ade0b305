"""Residual flows: exact and estimated densities agree, the network is a contraction at any params, bad arguments are named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, nets, transforms
from jaxgen.model import Model, log_prob
from jaxgen.transform import Density

NET = nets.lipschitz_mlp(17, width=24, depth=2, lipschitz=0.9)


def filled(rng, net, d, scale, cond=None):
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros(d), cond)
    return jax.tree.map(lambda s: jnp.asarray(scale * rng.standard_normal(s.shape), jnp.float32), shapes)


def test_the_estimated_density_averages_to_the_exact_one_in_seventeen_dimensions():
    rng = np.random.default_rng(0)
    params = filled(rng, NET, 17, 1.0)
    x = jnp.asarray(rng.standard_normal((3, 17)), jnp.float32)
    exact, estimated = (Model(bases.normal((17,)), transforms.residual(NET, log_det=kind)) for kind in ("exact", "roulette"))
    truth = log_prob(exact, params, x)
    assert truth.density is Density.EXACT and np.abs(truth.value - np.sum(jax.scipy.stats.norm.logpdf(x), 1)).min() > 0.1
    estimate = log_prob(estimated, params, x, key=jax.random.key(0), num_draws=1_000)
    assert estimate.density is Density.UNBIASED
    assert np.all(np.abs(estimate.value - truth.value) < 4 * estimate.stderr) and np.all(estimate.stderr < 0.2)


@pytest.mark.parametrize("scale", [1e-2, 1.0, 30.0])
def test_the_network_is_a_contraction_at_any_parameters_and_conditions(scale):
    """Largest singular values of its Jacobian, near the bend of the activation and far from it."""
    rng = np.random.default_rng(0)
    net = nets.lipschitz_mlp(3, width=8, depth=2, lipschitz=0.7)
    cond = jnp.asarray(10 * rng.standard_normal((64, 2)), jnp.float32)
    params = filled(rng, net, 3, scale, cond[0])
    x = jnp.asarray(rng.standard_normal((64, 3)) * np.geomspace(1e-2, 1e3, 64)[:, None], jnp.float32)
    jacobian = jax.jit(jax.vmap(jax.jacfwd(lambda x, c: net.apply(params, x, c))))(x, cond)
    norms = np.linalg.norm(np.asarray(jacobian, np.float64), 2, axis=(1, 2))
    assert np.all(norms < 0.7 + 1e-6)
    assert scale < 1 or norms.max() > 0.03


def test_a_residual_flow_starts_at_the_identity(key):
    flow = transforms.residual(nets.lipschitz_mlp(2, width=4, depth=1))
    x = jnp.asarray([-2.0, 0.5])
    pre = jax.jit(lambda key: flow.inverse(flow.init(key, x), x))(key)
    np.testing.assert_array_equal(pre.z, x)
    assert pre.log_det == 0


def test_an_estimate_needs_a_key_and_arguments_are_named():
    flow = transforms.residual(NET, log_det="roulette")
    assert flow.forward_and_log_det is None
    with pytest.raises(ValueError, match=r"key=None.*jax\.random\.key"):
        flow.inverse((), jnp.ones(17))
    for options, message in (
        ({"log_det": "skilling"}, "log_det='skilling'; accepted"),
        ({"lipschitz": 1.0}, "lipschitz=1.0; accepted: a finite number above 0 and below 1"),
        ({"num_terms": 0}, "num_terms=0"),
        ({"survival": 0.8}, "survival=0.8; accepted: a finite number above 0.81 and below 1"),
    ):
        with pytest.raises(ValueError, match=message):
            transforms.residual(NET, **options)


def test_a_certificate_replaces_the_series_by_the_determinant():
    """`refine` gives the exact log-det on the same params, so that a certified value is not at the mercy of the draws."""
    net = nets.lipschitz_mlp(2, width=8, depth=1, lipschitz=0.9)
    estimated = transforms.residual(net, log_det="roulette")
    params, x = filled(np.random.default_rng(1), net, 2, 1.0), jnp.asarray([0.3, -0.7])
    exact = estimated.hooks.refine(0, exact=True)
    assert exact.kind is Density.EXACT
    jacobian = jax.jacfwd(lambda x: exact.inverse(params, x).z)(x)
    np.testing.assert_allclose(exact.inverse(params, x).log_det, np.linalg.slogdet(jacobian)[1], rtol=1e-5)
