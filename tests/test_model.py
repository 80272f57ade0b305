"""Sampling, densities, encoding and interpolation: the arithmetic around a transform, on models whose truth is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from jaxgen import bases, encode, init, interpolate, log_prob, sample, sample_and_log_prob, sampling_params
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.transform import Density, ImplicitDensityError, Maps, Preimage, Transform, no_params

GAUSSIAN = Model(bases.normal((2,)), T.affine([1.0, -2.0], [2.0, 0.25]))
X = np.array([[0.0, -2.0], [3.0, 1.0], [1.0, -1.5]], np.float32)


def estimator(density):
    """log p is 0 for the base and a standard normal draw for log_q, so that an estimate is minus a draw."""

    def inverse(params, x, cond=None, key=None):
        return Preimage(jnp.full((1,), 0.5), jnp.zeros(()), jax.random.normal(key))

    return Model(bases.uniform((1,)), Transform(no_params, Maps(lambda params, z, cond=None: z, inverse), density))


def test_the_density_of_an_affine_gaussian():
    found = log_prob(GAUSSIAN, (), X)
    np.testing.assert_allclose(found.value, scipy.stats.norm.logpdf(X, [1, -2], [2, 0.25]).sum(1), rtol=1e-5)
    assert found.density is Density.EXACT and found.stderr.shape == (3,) and not found.stderr.any()


@pytest.mark.parametrize(("num_draws", "size"), [(1, 1), (7, 1), (4, 2**16)])
def test_event_draws_held_at_once_are_bounded(num_draws, size, key):
    """By default at most 65,536 event-draws and 2^25 noises; nothing is compiled, the batches are read from the trace."""
    held_at_once = []

    def inverse(params, x, cond=None, key=None):
        held_at_once.append(x.shape[0])
        return Preimage(jnp.zeros((x.shape[0], size)), jnp.zeros(x.shape[0]), jnp.zeros(x.shape[0]))

    forward = lambda params, z, cond=None: z[:1]
    over_one = lambda params, x, cond=None, key=None: Preimage(jnp.zeros(size), jnp.zeros(()), jnp.zeros(()))
    many = Maps(jax.vmap(forward, (None, 0)), inverse)
    model = Model(bases.normal((size,)), Transform(no_params, Maps(forward, over_one), Density.UNBIASED, many))
    events = jax.ShapeDtypeStruct((70_000, 1), jnp.float32)
    jax.eval_shape(lambda x: log_prob(model, (), x, key=key, num_draws=num_draws).value, events)
    assert 1 <= max(held_at_once) * num_draws <= min(65_536, 2**25 // size)


def test_a_batch_size_holds_for_samples_and_for_their_densities(key):
    """Of 50 events 7 at once and one at the end, in each of the two passes; nothing is compiled."""
    sampled, inverted = [], []
    forward = lambda params, z, cond=None: (sampled.append(len(z)), z)[1]
    inverse = lambda params, x, cond=None, key=None: (inverted.append(len(x)), Preimage(x, jnp.zeros(len(x)), jnp.zeros(len(x))))[1]
    one = estimator(Density.LOWER_BOUND).transform.one
    model = Model(bases.normal((1,)), Transform(no_params, one, Density.LOWER_BOUND, Maps(forward, inverse)))
    jax.eval_shape(lambda key: sample_and_log_prob(key, model, (), 50, batch_size=7)[1].value, key)
    assert set(sampled) == set(inverted) == {1, 7}


def test_samples_follow_it_and_carry_their_density(key):
    x, found = sample_and_log_prob(key, GAUSSIAN, (), 4_000)
    np.testing.assert_allclose(found.value, log_prob(GAUSSIAN, (), x).value, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(x, sample(key, GAUSSIAN, (), 4_000))
    for i, (mean, sd) in enumerate([(1, 2), (-2, 0.25)]):
        assert scipy.stats.kstest(np.asarray(x[:, i]), scipy.stats.norm(mean, sd).cdf).pvalue > 1e-3


def test_the_draws_of_a_density_are_not_those_of_the_samples(key):
    """Two draws of a base of two numbers: were their keys the numbers' own, what the inverse draws would be the sample's noise."""

    def inverse(params, x, cond=None, key=None):
        return Preimage({"a": jnp.zeros(()), "b": jnp.zeros(())}, jnp.zeros(()), jax.random.normal(key))

    base = bases.joint({"a": bases.normal(()), "b": bases.normal(())})
    transform = Transform(no_params, Maps(lambda params, z, cond=None: z["a"] + z["b"], inverse), Density.UNBIASED)
    x, of_x = sample_and_log_prob(key, Model(base, transform), (), 20, num_draws=2)
    assert np.min(np.abs(-np.log(2 * np.pi) - of_x.value - x / 2)) > 1e-5


def test_a_sampler_is_given_the_density_of_what_it_reports(key):
    """Its own forward and log-determinant are not asked, although both exist."""
    sampler = T.affine(0.0, [3.0, 3.0])._replace(proxy=GAUSSIAN.transform)
    x, of_x = sample_and_log_prob(key, Model(GAUSSIAN.base, sampler), (), 5)
    np.testing.assert_allclose(of_x.value, scipy.stats.norm.logpdf(x, [1, -2], [2, 0.25]).sum(1), rtol=1e-5)


def test_events_that_are_the_same_are_encoded_by_draws_of_their_own(key):
    drawn = lambda params, x, cond=None, key=None: Preimage(jax.random.normal(key, x.shape), jnp.zeros(()))
    model = Model(bases.normal((1,)), Transform(no_params, Maps(lambda params, z, cond=None: z, drawn), Density.LOWER_BOUND))
    assert len(np.unique(encode(model, (), np.zeros((20, 1)), key=key))) == 20


@pytest.mark.parametrize("batch_size", [3, 50])
def test_batch_size_changes_nothing(batch_size, key):
    np.testing.assert_allclose(sample(key, GAUSSIAN, (), 7, batch_size=batch_size), sample(key, GAUSSIAN, (), 7), rtol=1e-6)
    x = sample(key, GAUSSIAN, (), 7)
    np.testing.assert_allclose(log_prob(GAUSSIAN, (), x, batch_size=batch_size).value, log_prob(GAUSSIAN, (), x).value, rtol=1e-5)
    drawn, found = sample_and_log_prob(key, GAUSSIAN, (), 7, batch_size=batch_size)
    np.testing.assert_allclose(drawn, x, rtol=1e-6)
    model = estimator(Density.UNBIASED)
    noisy = [log_prob(model, (), jnp.ones((7, 1)), key=key, num_draws=2, batch_size=b).value for b in (batch_size, None)]
    np.testing.assert_allclose(*noisy, rtol=1e-5)
    assert np.ptp(noisy[0]) > 0.1


def test_unbiased_estimates_are_averaged(key):
    found = log_prob(estimator(Density.UNBIASED), (), jnp.ones((4, 1)), key=key, num_draws=900)
    assert np.all(np.abs(found.value) < 4 * found.stderr)
    np.testing.assert_allclose(found.stderr, 1 / 30, rtol=0.12)


def test_bounds_take_the_log_of_the_mean_weight(key):
    """E exp(-N(0, 1)) is exp(1/2); its relative standard deviation, by the delta method the log's, is sqrt(e - 1)."""
    found = log_prob(estimator(Density.LOWER_BOUND), (), jnp.ones((4, 1)), key=key, num_draws=4_000)
    assert np.all(np.abs(found.value - 0.5) < 4 * found.stderr)
    np.testing.assert_allclose(found.stderr, np.sqrt((np.e - 1) / 4_000), rtol=0.25)


@pytest.mark.parametrize(("density", "value", "stderr"), [
    (Density.UNBIASED, 0.0, 1.0), (Density.LOWER_BOUND, np.log(np.cosh(1.0)), np.tanh(1.0)),
])  # fmt: skip
def test_the_standard_error_of_two_draws_is_half_their_difference(density, value, stderr, key):
    """Estimates are -3 or -1. Of two that differ the closed form is known, of two that agree there is no error."""

    def inverse(params, x, cond=None, key=None):
        return Preimage(jnp.full((1,), 0.5), jnp.zeros(()), 2 + jax.random.rademacher(key, (), jnp.float32))

    model = Model(bases.uniform((1,)), Transform(no_params, Maps(lambda params, z, cond=None: z, inverse), density))
    estimate = log_prob(model, (), np.zeros((50, 1), np.float32), key=key, num_draws=2)
    log_weight = np.asarray(estimate.value) + 2
    differ = np.abs(log_weight) < 0.9
    assert 0 < differ.sum() < 50
    np.testing.assert_allclose(log_weight, np.where(differ, value, np.sign(log_weight)), atol=1e-6)
    np.testing.assert_allclose(estimate.stderr, np.where(differ, stderr, 0.0), atol=1e-6)


def test_one_draw_has_no_standard_error(key):
    found = log_prob(estimator(Density.LOWER_BOUND), (), jnp.ones((4, 1)), key=key)
    assert np.isnan(found.stderr).all() and np.isfinite(found.value).all()


@pytest.mark.parametrize("density", [Density.UNBIASED, Density.LOWER_BOUND])
def test_outside_the_support_a_density_is_zero_and_never_nan(density, key):
    model = estimator(density)
    outside = model._replace(
        transform=model.transform._replace(
            one=model.transform.one._replace(inverse=lambda p, x, c=None, key=None: Preimage(x, jnp.zeros(()), 0.0))
        )
    )
    found = log_prob(outside, (), jnp.asarray([[0.5], [1.5]]), key=key, num_draws=3)
    np.testing.assert_array_equal(found.value, [0.0, -np.inf])
    exact = log_prob(Model(bases.uniform((2,)), T.affine(1.0, 2.0)), (), jnp.asarray([[2.0, 2.0], [2.0, 3.5], [-1e30, 2.0]])).value
    np.testing.assert_allclose(exact, [-2 * np.log(2), -np.inf, -np.inf], rtol=1e-6)


def test_encoding_inverts_sampling(key):
    z = encode(GAUSSIAN, (), X)
    np.testing.assert_allclose(z, (X - [1, -2]) / [2, 0.25], rtol=1e-5)


def test_interpolation_runs_straight_in_the_noise_from_end_to_end():
    x = interpolate(GAUSSIAN, (), X[0], X[1], 5)
    np.testing.assert_allclose(x, X[0] + np.linspace(0, 1, 5)[:, None] * (X[1] - X[0]), rtol=1e-5)


def test_spherical_interpolation_keeps_the_norm():
    identity = Model(bases.normal((2,)), T.affine(0.0, 1.0))
    x = interpolate(identity, (), jnp.asarray([3.0, 0.0]), jnp.asarray([0.0, 3.0]), 4, path="spherical")
    angle = np.linspace(0, np.pi / 2, 4)
    np.testing.assert_allclose(x, 3 * np.stack([np.cos(angle), np.sin(angle)], 1), atol=1e-5)
    same = interpolate(identity, (), jnp.asarray([3.0, 1.0]), jnp.asarray([3.0, 1.0]), 3, path="spherical")
    np.testing.assert_allclose(same, np.tile([3.0, 1.0], (3, 1)), rtol=1e-5)


def test_an_integer_seed_is_its_key_and_one_condition_stands_for_all(key):
    shift = Transform(
        no_params,
        Maps(lambda params, z, cond=None: z + cond, lambda params, x, cond=None, key=None: Preimage(x - cond, jnp.zeros(()))),
        Density.EXACT,
    )
    model, one = Model(bases.normal((2,)), shift), jnp.asarray([[3.0, -1.0]])
    every = jnp.repeat(one, 5, 0)
    x = sample(7, model, (), 5, one)
    np.testing.assert_array_equal(x, sample(jax.random.key(7), model, (), 5, every))
    np.testing.assert_array_equal(log_prob(model, (), x, one).value, log_prob(model, (), x, every).value)
    np.testing.assert_array_equal(encode(model, (), x, one), encode(model, (), x, every))
    np.testing.assert_array_equal(sample_and_log_prob(np.int64(7), model, (), 5, one)[0], x)
    with pytest.raises(ValueError, match=r"cond has shape \(2, 2\); accepted: \(5, ...\), one condition for each event, or \(1, ...\)"):
        log_prob(model, (), x, every[:2])


def test_conditions_follow_their_events(key):
    shifted = Model(bases.normal((1,)), Transform(no_params, Maps(lambda params, z, cond=None: 1e-3 * z + cond)))
    cond = jnp.arange(5.0)[:, None]
    for batch_size in (None, 2):
        np.testing.assert_allclose(sample(key, shifted, (), 5, cond, batch_size=batch_size), cond, atol=0.01)


def test_params_that_sampling_does_not_read_are_found():
    transform = Transform(no_params, Maps(lambda params, z, cond=None: params["used"] * z + 0 * jnp.sum(params["gone"]) * 0.0))
    kept = sampling_params(Model(bases.normal((1,)), transform), {"used": jnp.ones(1), "gone": jnp.ones(3), "absent": jnp.ones(2)})
    assert kept["used"] and not kept["absent"]
    shapes = jax.eval_shape(lambda: {"used": jnp.ones(1), "gone": jnp.ones(3), "absent": jnp.ones(2)})
    assert sampling_params(Model(bases.normal((1,)), transform), shapes) == kept


def test_an_implicit_model_says_what_to_use_instead(key):
    model = estimator(Density.IMPLICIT)
    for ask in (lambda: log_prob(model, (), X[:, :1]), lambda: sample_and_log_prob(key, model, (), 2)):
        with pytest.raises(ImplicitDensityError, match="sliced_w2, mmd"):
            ask()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: sample(k, GAUSSIAN, (), 0), "num_samples=0; accepted"),
        (lambda k: sample(k, GAUSSIAN, (), 2.5), r"num_samples=2\.5"),
        (lambda k: sample(k, GAUSSIAN, (), 4, batch_size=0), "batch_size=0"),
        (lambda k: sample(k, GAUSSIAN, (), 4, jnp.zeros((3, 1))), r"cond has shape \(3, 1\); accepted: \(4, \.\.\.\)"),
        (lambda k: sample_and_log_prob(k, GAUSSIAN, (), 4, batch_size=-1), "batch_size=-1"),
        (lambda k: log_prob(GAUSSIAN, (), X[0]), r"x has shape \(2,\)"),
        (lambda k: log_prob(GAUSSIAN, (), X[:, :1]), r"x has shape \(3, 1\); accepted: \(n, 2\)"),
        (lambda k: log_prob(GAUSSIAN, (), X, num_draws=0), "num_draws=0"),
        (lambda k: log_prob(GAUSSIAN, (), X, jnp.zeros((2, 1))), r"cond has shape \(2, 1\)"),
        (
            lambda k: log_prob(estimator(Density.UNBIASED), (), X[:, :1]),
            r"key=None; accepted: a key such as jax\.random\.key\(0\).*unbiased",
        ),
        (lambda k: interpolate(GAUSSIAN, (), X[0], X[1], path="curved"), "path='curved'; accepted"),
        (lambda k: interpolate(GAUSSIAN, (), X[0], X[1], 0), "num_points=0"),
        (lambda k: encode(Model(bases.normal((2,)), T.generator(None)), (), X), "no inverse"),
    ],
)
def test_bad_arguments_are_named(call, message, key):
    with pytest.raises(ValueError, match=message):
        call(key)


def test_params_are_made_for_the_bases_noise(key):
    params = init(key, Model(bases.normal((3,)), T.triangular_affine()))
    assert params["tril"].shape == (3, 3)
    np.testing.assert_array_equal(params["tril"], np.eye(3))
