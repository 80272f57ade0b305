"""Laws of certified densities: the interval covers known truths, what cannot be certified says so, near-singular maps are reported."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jaxgen
from jaxgen import bases, log_prob
from jaxgen import transforms as T
from jaxgen.evaluation.oracles import oracle
from jaxgen.model import Model
from jaxgen.transform import Density, Preimage, Transform

SUITE = [
    "gaussian, affine",
    "mixture, affine",
    "gaussian, spline",
    "gaussian, linear ODE, rk4",
    "gaussian, linear ODE, midpoint",
    "gaussian, linear decoder",
]


@pytest.mark.parametrize("name", SUITE)
def test_the_interval_covers_the_known_truth(name, key):
    problem = oracle(name, 3, 60)
    found = log_prob(problem.model, problem.params, problem.x, key=key, certify=1e-3)
    error, bound = np.abs(found.value - problem.truth), found.certificate.bound
    drawn = found.density is Density.LOWER_BOUND
    assert np.mean(error <= bound) >= (0.9 if drawn else 0.95)
    # 98 % of a Student t is 6.9 median errors wide.
    assert 2 * np.median(bound) <= (9 if drawn else 5) * np.median(error)
    np.testing.assert_array_equal(found.certificate.holds, bound <= 1e-3)
    assert found.certificate.holds.all() or drawn
    assert np.all(bound <= np.sum(found.certificate.budget, 0) * (1 + 1e-9))


def test_a_loose_tolerance_keeps_the_plain_value_and_a_tight_one_moves_to_what_dominates():
    problem = oracle("gaussian, linear ODE, midpoint", 1, 20)
    plain = log_prob(problem.model, problem.params, problem.x).value
    loose, tight = (log_prob(problem.model, problem.params, problem.x, certify=atol) for atol in (1.0, 1e-3))
    np.testing.assert_array_equal(loose.value, np.asarray(plain, np.float64))
    assert np.median(loose.certificate.budget.solver) > 10 * np.median(loose.certificate.budget.precision)
    assert loose.certificate.bound.max() > 1e-3 >= tight.certificate.bound.max()
    # Steps doubled twice: a sixteenth of a second-order method's error.
    errors = [np.abs(found.value - problem.truth).mean() for found in (loose, tight)]
    assert errors[1] < errors[0] / 12


def test_rounding_is_certified_away_by_float64():
    problem = oracle("gaussian, affine", 0, 50)
    single, double = (log_prob(problem.model, problem.params, problem.x, certify=atol) for atol in (1e-2, 1e-10))
    assert 1e-8 < np.abs(single.value - problem.truth).max() <= single.certificate.bound.max() < 1e-4
    assert double.certificate.holds.all() and np.abs(double.value - problem.truth).max() < 1e-12
    assert double.value.dtype == np.float64 and double.certificate.bound.min() > 0


def test_an_unreachable_tolerance_is_refused_event_by_event(key):
    problem = oracle("gaussian, linear decoder", 0, 10)
    found = log_prob(problem.model, problem.params, problem.x, key=key, certify=1e-6)
    assert not found.certificate.holds.any() and np.all(found.certificate.bound > 1e-6)
    assert "0 of 10 within 1e-06 nats" in found.certificate.summary() and "mostly estimator" in found.certificate.summary()


def test_an_estimated_trace_gives_way_to_the_exact_one_when_draws_would_cost_more(key):
    problem = oracle("gaussian, linear ODE, hutchinson", 0, 30)
    estimated, exact = (log_prob(problem.model, problem.params, problem.x, key=key, certify=atol) for atol in (3.0, 1e-3))
    assert estimated.density is Density.UNBIASED and np.all(estimated.stderr > 0)
    assert exact.density is Density.EXACT and not exact.stderr.any() and exact.certificate.holds.all()
    assert np.all(np.abs(exact.value - problem.truth) <= exact.certificate.bound)


def test_an_inverse_that_stops_too_early_shows_in_the_round_trip():
    """Three steps of bisection, without a rule to refine: neither float64 nor a tighter solve sees it, forward does."""
    grid = jnp.linspace(-4.0, 4.0, 33)
    coarse = Transform(
        lambda *a: (),
        lambda params, z, cond=None: jnp.sinh(z),
        lambda params, x, cond=None, key=None: (lambda z: Preimage(z, -jnp.sum(jnp.log(jnp.cosh(z)))))(
            grid.astype(x.dtype)[jnp.argmin(jnp.abs(jnp.sinh(grid.astype(x.dtype))[:, None] - x), 0)]
        ),
        density=Density.EXACT,
    )
    x = np.array([[0.3], [2.0], [0.0]], np.float32)
    # Moved to the nearest grid point's own image, the value is the same: so let the log_det be the true one at x.
    honest = coarse._replace(
        inverse=lambda params, x, cond=None, key=None: coarse.inverse(params, x)._replace(log_det=-0.5 * jnp.sum(jnp.log1p(x**2)))
    )
    found = log_prob(Model(bases.normal((1,)), honest), (), x, certify=1e-3)
    truth = scipy.stats.norm.logpdf(np.arcsinh(x[:, 0])) - 0.5 * np.log1p(x[:, 0] ** 2)
    assert found.certificate.holds.tolist() == [False, False, True]
    assert np.all(found.certificate.budget.round_trip[:2] > 1e-3) and abs(found.value[2] - truth[2]) < 1e-6


def test_a_map_close_to_singular_is_reported_even_where_a_later_stage_makes_up_for_it():
    squeeze, back = T.affine(0.0, [1.0, 1e-7]), T.affine(0.0, [1.0, 1e7])
    stage = lambda f: f._replace(parts={"stages": lambda params, z, cond=None: f.forward(params, z, cond)[None]})
    x = np.array([[0.3, 1e-7], [1.0, -2e-7]], np.float32)
    plain = log_prob(Model(bases.normal((2,)), squeeze), (), x, certify=1e-3)
    np.testing.assert_allclose(plain.certificate.condition, 1e7, rtol=1e-6)
    assert plain.certificate.near_singular.all() and np.isfinite(plain.value).all()
    assert "2 with a Jacobian close to singular" in plain.certificate.summary()
    made_up = log_prob(Model(bases.normal((2,)), T.chain(stage(squeeze), stage(back))), ((), ()), x, certify=1e-3)
    np.testing.assert_allclose(made_up.certificate.condition, 1e7, rtol=1e-6)
    mild = log_prob(Model(bases.normal((2,)), T.affine(0.0, [2.0, 0.5])), (), x, certify=1e-3)
    np.testing.assert_allclose(mild.certificate.condition, 4.0)
    assert not mild.certificate.near_singular.any()


def test_outside_the_support_the_certificate_is_of_minus_infinity():
    found = log_prob(Model(bases.uniform((1,)), T.affine(0.0, 2.0)), (), np.array([[0.5], [3.0]], np.float32), certify=1e-3)
    np.testing.assert_allclose(found.value, [-np.log(2), -np.inf], rtol=1e-6)
    assert found.certificate.holds.all()


def test_a_value_that_is_not_a_number_never_holds():
    broken = T.affine(0.0, 2.0)._replace(inverse=lambda params, x, cond=None, key=None: Preimage(x, jnp.log(jnp.sum(x))))
    found = log_prob(Model(bases.normal((1,)), broken), (), np.array([[0.5], [-1.0]], np.float32), certify=1.0)
    assert np.isnan(found.value[1]) and not found.certificate.holds[1] and np.isinf(found.certificate.bound[1])


def test_without_certify_nothing_is_traced_twice_and_no_certificate_is_made():
    problem, calls = oracle("gaussian, affine", 0, 5), []
    transform = problem.model.transform

    def inverse(params, x, cond=None, key=None):
        calls.append(1)
        return transform.inverse(params, x, cond, key)

    model = Model(problem.model.base, transform._replace(inverse=inverse))
    assert log_prob(model, problem.params, problem.x).certificate is None
    traced = len(calls)
    log_prob(model, problem.params, problem.x)
    assert len(calls) == traced == 1
    log_prob(model, problem.params, problem.x, certify=1e-2)
    certified = len(calls)
    log_prob(model, problem.params, problem.x, certify=1e-2)
    assert len(calls) == certified


@pytest.mark.parametrize("certify", [0.0, -1.0, float("nan")])
def test_a_tolerance_is_positive(certify):
    with pytest.raises(ValueError, match="certify=.*positive tolerance"):
        log_prob(Model(bases.normal((1,)), T.affine(0.0, 1.0)), (), np.zeros((2, 1)), certify=certify)


def test_under_jit_a_certificate_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="cannot run inside jax.jit"):
        jax.jit(lambda x: jaxgen.log_prob(Model(bases.normal((1,)), T.affine(0.0, 1.0)), (), x, certify=1.0).value)(np.zeros((2, 1)))


def test_refinement_passes_through_every_combination(x64):
    flow = T.ode_flow(lambda *a: jnp.ones(()), lambda params, x, t, cond: params * jnp.sin(x), solver=jaxgen.numerics.fixed(2, "euler"))
    combined = {
        "chain": T.chain(T.affine(0.0, 1.0), flow), "invert": T.invert(flow), "on": T.on("a", flow), "repeat": T.repeat(flow, 1),
        "on_condition": T.on_condition(lambda c: c, flow),
    }  # fmt: skip
    with x64():
        for name, f in combined.items():
            params = ((), jnp.ones(())) if name == "chain" else jnp.ones(1) if name == "repeat" else jnp.ones(())
            z = {"a": jnp.ones(1)} if name == "on" else jnp.ones(1)
            coarse, fine = (np.ravel(jax.tree.leaves(f.refine(level).forward(params, z))[0]) for level in (0, 2))
            # dx/dt = sin x: tan(x / 2) grows by e.
            sign = -1 if name == "invert" else 1
            truth = 2 * np.arctan(np.tan(0.5) * np.exp(sign))
            assert np.abs(fine - truth) < np.abs(coarse - truth) / 10, name
    assert T.affine(0.0, 1.0).refine is None and T.chain(T.flip(), T.flip()).refine is None
