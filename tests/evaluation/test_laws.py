"""The laws that `jaxgen verify` measures find what is wrong: each on a model that obeys it and on one that does not."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from jaxgen import bases, numerics
from jaxgen import transforms as T
from jaxgen.certificate import certify
from jaxgen.evaluation import laws
from jaxgen.model import Model
from jaxgen.transform import Maps, Preimage, Transform, no_params

GAUSSIAN = Model(bases.normal((2,)), T.affine([1.0, -2.0], [2.0, 0.5]))


def wrong_sign():
    f = GAUSSIAN.transform
    inverse = lambda params, x, cond=None, key=None: Preimage(f.inverse(params, x).z, -f.inverse(params, x).log_det + 1.0)
    return GAUSSIAN._replace(transform=f._replace(one=f.one._replace(inverse=inverse)))


def test_a_wrong_log_determinant_is_found(key):
    good, bad = (laws.determinant_law(key, model, ()) for model in (GAUSSIAN, wrong_sign()))
    assert good.passed and good.value < 1e-12
    assert not bad.passed and abs(bad.value - 1.0) < 1e-6
    assert laws.determinant_law(key, Model(bases.normal((2,)), Transform(no_params, Maps(lambda p, z, c=None: z))), ()) is None


def test_a_density_that_does_not_integrate_to_one_is_found(key):
    x = laws.samples_of(key, GAUSSIAN, (), 2_000)
    points, area = laws.grid_over(x, 48)
    values = scipy.stats.norm.logpdf(points, [1, -2], [2, 0.5]).sum(1)
    assert laws.grid_normalisation(values, area).passed
    off = laws.grid_normalisation(values + 0.1, area)
    assert not off.passed and abs(off.value - np.expm1(0.1)) < 1e-3
    assert laws.weight_normalisation(key, GAUSSIAN, (), x).passed
    assert laws.weight_normalisation(key, wrong_sign(), (), x).passed is False


def test_an_estimate_whose_exponential_is_biased_is_weighed_by_its_exact_trace(key):
    """With dx/dt = S x, S symmetric and without a diagonal, exp of Hutchinson's estimate is cosh(2) too large in the mean."""
    swap = lambda params, x, t, cond: x[::-1]
    model = Model(bases.normal((2,)), T.ode_flow(lambda *a: (), swap, solver=numerics.fixed(4), trace="hutchinson"))
    found = laws.weight_normalisation(key, model, (), laws.samples_of(key, model, (), 500))
    assert found.passed and found.value < 0.2


def test_an_inverse_that_is_none_is_found(key):
    f = GAUSSIAN.transform
    off = GAUSSIAN._replace(
        transform=f._replace(one=f.one._replace(inverse=lambda p, x, c=None, k=None: Preimage(f.inverse(p, x).z + 1e-6, 0.0)))
    )
    x = np.array([[1.0, 2.0], [0.0, 0.0]])
    good, bad = (laws.round_trip_law(key, model, (), x) for model in (GAUSSIAN, off))
    assert good.passed and good.value < 1e-15
    assert not bad.passed and 1e-7 < bad.value < 1e-5


def test_coverage_counts_the_truths_within():
    found = certify(GAUSSIAN, (), np.zeros((400, 2), np.float32), 1e-3)
    share, limit, passed = laws.coverage(found, found.value + found.bound * np.tile([0.5, -0.5, 2.0, 0.0], 100))
    assert share == 0.75 and not passed and abs(limit - (0.95 - 3 * 0.0109)) < 1e-4
    assert laws.coverage(found, found.value + found.bound * 0.9).passed
    # Two independent errors: the half widths of 1 and 0.75 make 1.25.
    for factor, share in ((1.2, 1.0), (1.3, 0.0)):
        truth, bound = found.value + found.bound * factor, 0.75 * found.bound
        assert laws.coverage(found, truth, truth_bound=bound).value == share


def test_the_order_of_a_fixed_grid_is_measured(key):
    flow = T.ode_flow(lambda *a: (), lambda params, x, t, cond: jnp.sin(3 * x) + t, solver=numerics.fixed(4))
    model = Model(bases.normal((2,)), flow)
    for method, order in (("euler", 1), ("midpoint", 2), ("rk4", 4)):
        assert abs(laws.solver_order(key, model, (), 32, method) - order) < 0.35
    assert laws.solver_order(key, GAUSSIAN, ()) is None


def test_the_strong_order_of_a_chain_sums_increments_in_pairs(key):
    """Euler-Maruyama for dx = -x dt + dw, whose noise is additive: order one, and the same path at every number of steps."""

    def build(n):
        def forward(params, z, cond=None):
            return jax.lax.scan(lambda x, w: (x - x / n + w / np.sqrt(n), None), z["x0"], z["increments"])[0]

        return Model(bases.diffusion_noise((1,), n), Transform(no_params, Maps(forward)))

    assert abs(laws.sampler_order(key, build, ()) - 1) < 0.35


def test_increments_of_unequal_steps_are_joined_by_the_samplers_times():
    """What the Brownian motion does in two steps is what it does in the one that they make up."""

    def bridge(n):
        return Model(bases.normal((1,)), T.bridge_sde(lambda *_: (), jnp.sin, jnp.sin, 1.0, n))

    fine, coarse = (np.diff(bridge(n).transform.parts["times"](())) for n in (8, 4))
    u = np.random.default_rng(0).standard_normal((3, 8, 1))
    joined = laws._joined(jnp.asarray(u), bridge(8), ())
    expected = (np.sqrt(fine)[:, None] * u).reshape(3, 4, 2, 1).sum(2)
    np.testing.assert_allclose(np.sqrt(coarse)[:, None] * joined, expected, rtol=1e-4, atol=1e-5)
