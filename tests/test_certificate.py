"""Laws of certified densities: the interval covers known truths, what cannot be certified says so, near-singular maps are reported."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jaxgen
from jaxgen import bases, certify, log_prob, numerics
from jaxgen import transforms as T
from jaxgen.certificate import _estimate
from jaxgen.evaluation.oracles import oracle
from jaxgen.model import Model
from jaxgen.transform import Density, Hooks, Maps, Preimage, Transform, bijection, no_params

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
    found = certify(problem.model, problem.params, problem.x, 1e-3, key=key)
    error, bound = np.abs(found.value - problem.truth), found.bound
    drawn = found.density is Density.LOWER_BOUND
    assert np.mean(error <= bound) >= (0.9 if drawn else 0.95)
    # 98 % of a Student t is 6.9 median errors wide.
    assert 2 * np.median(bound) <= (9 if drawn else 5) * np.median(error)
    np.testing.assert_array_equal(found.holds, bound <= 1e-3)
    assert found.holds.all() or drawn
    assert np.all(bound <= np.sum(found.budget, 0) * (1 + 1e-9))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_interval_of_a_few_skewed_estimates_covers_their_mean(sign):
    """Eight exponential draws: a t interval of 98 % covers their mean in 93 % of the cases, on the side where the tail is."""
    draws = sign * np.random.default_rng(0).exponential(size=(8, 20_000))
    value, _, half = _estimate(draws)
    covered = np.mean(np.abs(value - sign) <= half)
    assert 0.95 < covered < 0.98


def test_a_loose_tolerance_keeps_the_plain_value_and_a_tight_one_moves_to_what_dominates():
    problem = oracle("gaussian, linear ODE, midpoint", 1, 20)
    plain = log_prob(problem.model, problem.params, problem.x).value
    loose, tight = (certify(problem.model, problem.params, problem.x, atol) for atol in (1.0, 1e-3))
    np.testing.assert_array_equal(loose.value, np.asarray(plain, np.float64))
    assert np.median(loose.budget.solver) > 10 * np.median(loose.budget.precision)
    assert loose.bound.max() > 1e-3 >= tight.bound.max()
    # Steps doubled twice: a sixteenth of a second-order method's error.
    errors = [np.abs(found.value - problem.truth).mean() for found in (loose, tight)]
    assert errors[1] < errors[0] / 12


def test_rounding_is_certified_away_by_float64():
    problem = oracle("gaussian, affine", 0, 50)
    single, double = (certify(problem.model, problem.params, problem.x, atol) for atol in (1e-2, 1e-10))
    assert 1e-8 < np.abs(single.value - problem.truth).max() <= single.bound.max() < 1e-4
    assert double.holds.all() and np.abs(double.value - problem.truth).max() < 1e-12
    assert double.value.dtype == np.float64 and double.bound.min() > 0


def test_a_bases_constants_are_those_it_holds_and_their_logarithms_are_not_rounded():
    """The model's own numbers are those of float32; in float64 the normaliser of their Gaussian is theirs to every digit."""
    loc, scale = np.float64(np.float32(0.1)), np.float64(np.float32(3.3))
    model = Model(bases.diagonal_gaussian([0.1], [3.3]), T.affine(0.0, 1.0))
    x = np.array([[0.25], [-2.0]], np.float32)
    certificate = certify(model, (), x, 1e-12)
    assert certificate.holds.all()
    np.testing.assert_allclose(certificate.value, scipy.stats.norm.logpdf(x[:, 0].astype(np.float64), loc, scale), rtol=0, atol=1e-12)


def test_an_unreachable_tolerance_is_refused_event_by_event(key):
    problem = oracle("gaussian, linear decoder", 0, 10)
    found = certify(problem.model, problem.params, problem.x, 1e-6, key=key)
    assert not found.holds.any() and np.all(found.bound > 1e-6)
    assert "0 of 10 within 1e-06 nats" in found.summary() and "mostly estimator" in found.summary()


def test_an_estimated_trace_gives_way_to_the_exact_one_when_draws_would_cost_more(key):
    problem = oracle("gaussian, linear ODE, hutchinson", 0, 30)
    estimated, exact = (certify(problem.model, problem.params, problem.x, atol, key=key) for atol in (3.0, 1e-3))
    assert estimated.density is Density.UNBIASED and np.all(estimated.stderr > 0)
    assert exact.density is Density.EXACT and not exact.stderr.any() and exact.holds.all()
    assert np.all(np.abs(exact.value - problem.truth) <= exact.bound)


def test_an_inverse_that_stops_too_early_shows_in_the_round_trip():
    """Three steps of bisection, without a rule to refine: neither float64 nor a tighter solve sees it, forward does."""
    grid = jnp.linspace(-4.0, 4.0, 33)

    def nearest(x):
        return grid.astype(x.dtype)[jnp.argmin(jnp.abs(jnp.sinh(grid.astype(x.dtype))[:, None] - x), 0)]

    x = np.array([[0.3], [2.0], [0.0]], np.float32)
    # Moved to the nearest grid point's own image, the value is the same: so let the log_det be the true one at x.
    inverse = lambda params, x, cond=None, key=None: Preimage(nearest(x), -0.5 * jnp.sum(jnp.log1p(x**2)))
    honest = Transform(no_params, Maps(lambda params, z, cond=None: jnp.sinh(z), inverse), Density.EXACT)
    found = certify(Model(bases.normal((1,)), honest), (), x, 1e-3)
    truth = scipy.stats.norm.logpdf(np.arcsinh(x[:, 0])) - 0.5 * np.log1p(x[:, 0] ** 2)
    assert found.holds.tolist() == [False, False, True]
    assert np.all(found.budget.round_trip[:2] > 1e-3) and abs(found.value[2] - truth[2]) < 1e-6


def test_a_map_close_to_singular_is_reported_even_where_a_later_stage_makes_up_for_it():
    squeeze, back = T.affine(0.0, [1.0, 1e-7]), T.affine(0.0, [1.0, 1e7])
    stage = lambda f: f._replace(hooks=Hooks(stages=lambda params, z, cond=None: f.forward(params, z, cond)[None]))
    x = np.array([[0.3, 1e-7], [1.0, -2e-7]], np.float32)
    plain = certify(Model(bases.normal((2,)), squeeze), (), x, 1e-3)
    np.testing.assert_allclose(plain.condition, 1e7, rtol=1e-6)
    assert plain.near_singular.all() and np.isfinite(plain.value).all()
    assert "2 with a Jacobian close to singular" in plain.summary()
    made_up = certify(Model(bases.normal((2,)), T.chain(stage(squeeze), stage(back))), ((), ()), x, 1e-3)
    np.testing.assert_allclose(made_up.condition, 1e7, rtol=1e-6)
    mild = certify(Model(bases.normal((2,)), T.affine(0.0, [2.0, 0.5])), (), x, 1e-3)
    np.testing.assert_allclose(mild.condition, 4.0)
    assert not mild.near_singular.any()


def test_outside_the_support_the_certificate_is_of_minus_infinity():
    found = certify(Model(bases.uniform((1,)), T.affine(0.0, 2.0)), (), np.array([[0.5], [3.0]], np.float32), 1e-3)
    np.testing.assert_allclose(found.value, [-np.log(2), -np.inf], rtol=1e-6)
    assert found.holds.all()


def test_a_value_that_is_not_a_number_never_holds():
    f = T.affine(0.0, 2.0)
    broken = f._replace(one=f.one._replace(inverse=lambda params, x, cond=None, key=None: Preimage(x, jnp.log(jnp.sum(x)))))
    found = certify(Model(bases.normal((1,)), broken), (), np.array([[0.5], [-1.0]], np.float32), 1.0)
    assert np.isnan(found.value[1]) and not found.holds[1] and np.isinf(found.bound[1])


def test_nothing_is_traced_twice():
    problem, calls = oracle("gaussian, affine", 0, 5), []
    transform = problem.model.transform

    def inverse(params, x, cond=None, key=None):
        calls.append(1)
        return transform.inverse(params, x, cond, key)

    model = Model(problem.model.base, transform._replace(one=transform.one._replace(inverse=inverse)))
    log_prob(model, problem.params, problem.x)
    traced = len(calls)
    log_prob(model, problem.params, problem.x)
    assert len(calls) == traced == 1
    certify(model, problem.params, problem.x, 1e-2)
    certified = len(calls)
    certify(model, problem.params, problem.x, 1e-2)
    assert len(calls) == certified


def test_a_conditional_density_is_certified_under_each_events_own_condition():
    """Of a Gaussian about the condition: the value, the round trip and the condition number are those of a shift by it."""
    shift = bijection(
        no_params,
        lambda params, z, cond=None: (2 * z + cond, jnp.log(2.0).astype(z.dtype)),
        lambda params, x, cond=None, key=None: Preimage((x - cond) / 2, -jnp.log(2.0).astype(x.dtype)),
        hooks=Hooks(stages=lambda params, z, cond=None: (2 * z + cond)[None]),
    )
    x, cond = np.array([[0.5], [30.0], [-7.0]], np.float32), np.array([[0.0], [31.0], [-5.0]], np.float32)
    certificate = certify(Model(bases.normal((1,)), shift), (), x, 1e-4, cond)
    np.testing.assert_allclose(certificate.value, scipy.stats.norm.logpdf(x[:, 0], cond[:, 0], 2), rtol=1e-6)
    assert certificate.holds.all() and np.all(certificate.budget.round_trip < 1e-12)
    np.testing.assert_allclose(certificate.condition, 1.0)


def test_the_certificate_of_a_sampler_is_that_of_the_ode_whose_density_it_reports():
    """One jump to twice the noise, labelled by the ODE of growth in two Euler steps: refined, inverted and judged as that ODE."""
    init, rate = lambda key, z, cond=None: (), lambda params, x, t, s, cond=None: x * jnp.asarray([1.0, -1.0], x.dtype)
    solver = jaxgen.numerics.fixed(2, "euler")
    jump = T.flow_map(init, rate, density="ode", solver=solver)
    ode = T.ode_flow(init, lambda params, x, t, cond=None: rate(params, x, t, t), solver=solver)
    x = np.array([[0.5, 0.1], [-1.0, 2.0]], np.float32)
    for atol in (10.0, 1e-2):
        of_jump, of_ode = (certify(Model(bases.normal((2,)), f), (), x, atol) for f in (jump, ode))
        for ours, theirs in zip(jax.tree.leaves(of_jump.budget), jax.tree.leaves(of_ode.budget), strict=True):
            np.testing.assert_allclose(ours, theirs)
        np.testing.assert_array_equal(of_jump.value, of_ode.value)
        np.testing.assert_array_equal(of_jump.bound, of_ode.bound)
        np.testing.assert_allclose(of_jump.condition, of_ode.condition)
    truth = scipy.stats.norm.logpdf(x * np.exp([-1.0, 1.0])).sum(1)
    assert np.all(np.abs(of_jump.value - truth) <= of_jump.bound) and of_jump.budget.solver.min() > 0
    np.testing.assert_allclose(of_jump.condition, np.exp(2), rtol=0.3)


def test_the_round_trip_of_a_sampler_is_that_of_what_it_reports():
    """Where that has nothing to refine, too: the sampler's own forward is another map."""
    sampler = T.affine(0.0, 3.0)._replace(proxy=T.affine(1.0, 2.0))
    certificate = certify(Model(bases.normal((1,)), sampler), (), np.array([[0.5], [3.0]], np.float32), 1e-4)
    assert certificate.holds.all() and np.all(certificate.budget.round_trip < 1e-12)


@pytest.mark.parametrize("atol", [0.0, -1.0, float("nan")])
def test_a_tolerance_is_positive(atol):
    with pytest.raises(ValueError, match="atol=.*positive tolerance"):
        certify(Model(bases.normal((1,)), T.affine(0.0, 1.0)), (), np.zeros((2, 1)), atol)


def test_under_jit_a_certificate_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="cannot run inside jax.jit"):
        jax.jit(lambda x: jaxgen.certify(Model(bases.normal((1,)), T.affine(0.0, 1.0)), (), x, 1.0).value)(np.zeros((2, 1)))


def test_refinement_passes_through_every_combination(x64):
    flow = T.ode_flow(
        lambda *a: jnp.ones(()), lambda params, x, t, cond=None: params * jnp.sin(x), solver=jaxgen.numerics.fixed(2, "euler")
    )
    combined = {
        "chain": T.chain(T.affine(0.0, 1.0), flow), "invert": T.invert(flow), "on": T.on("a", flow), "repeat": T.repeat(flow, 1),
        "on_condition": T.on_condition(lambda c: c, flow),
    }  # fmt: skip
    with x64():
        for name, f in combined.items():
            params = ((), jnp.ones(())) if name == "chain" else jnp.ones(1) if name == "repeat" else jnp.ones(())
            z = {"a": jnp.ones(1)} if name == "on" else jnp.ones(1)
            coarse, fine = (np.ravel(jax.tree.leaves(f.hooks.refine(level).forward(params, z))[0]) for level in (0, 2))
            # dx/dt = sin x: tan(x / 2) grows by e.
            sign = -1 if name == "invert" else 1
            truth = 2 * np.arctan(np.tan(0.5) * np.exp(sign))
            assert np.abs(fine - truth) < np.abs(coarse - truth) / 10, name
    assert T.affine(0.0, 1.0).hooks.refine is None and T.chain(T.flip(), T.flip()).hooks.refine is None


@pytest.mark.parametrize("solver", [numerics.adaptive(), numerics.fixed(8)], ids=["adaptive", "fixed"])
def test_a_pulse_in_time_shorter_than_the_steps_is_seen(solver):
    """dx/dt = a(t) x with a Gaussian pulse of area 2 between the evaluations of the model's own solver: x grows e^2 times."""
    area, x = 2.0, np.linspace(-20, 20, 7)[:, None].astype(np.float32)

    def velocity(params, x, t, cond=None):
        at, width = params
        return (area / (width * np.sqrt(2 * np.pi)) * jnp.exp(-0.5 * ((t - at) / width) ** 2)).astype(x.dtype) * x

    model = Model(bases.normal((1,)), T.ode_flow(lambda key, z, cond=None: (0.5, 0.1), velocity, solver=solver))
    truth = scipy.stats.norm.logpdf(x[:, 0].astype(np.float64), scale=np.exp(area))
    for at, width in ((0.4137, 0.003), (0.7291, 0.004)):
        params = (jnp.float32(at), jnp.float32(width))
        assert np.abs(log_prob(model, params, x).value - truth).max() > 1
        found = certify(model, params, x, 1e-2)
        assert np.all(np.abs(found.value - truth) <= found.bound) and found.holds.all()
