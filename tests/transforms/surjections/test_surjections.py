"""Surjections against closed forms: what each forgets is counted once, and nothing but the stated gap of a bound is lost."""

import distrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases, nets
from jaxgen import transforms as T
from jaxgen.model import Model, init, log_prob, sample
from jaxgen.transform import Density, bijection, no_params

FLOW = T.coupling(T.scale_and_shift(), lambda out: nets.mlp(out, width=8, depth=1))
KEY = jax.random.key(0)


def normal_through(surjection, dim, *before):
    return Model(bases.normal((dim,)), T.chain(*before, surjection))


def value_of(model, params, x, num_draws=1):
    return log_prob(model, params, jnp.asarray(x, jnp.float32), key=KEY, num_draws=num_draws)


def weights_match(model, params, x, truth, num_draws=2_000):
    """The mean importance weight is the density itself: no factor is missing, whatever the bound's gap is."""
    estimate = value_of(model, params, x, num_draws)
    assert estimate.density is Density.LOWER_BOUND
    assert np.all(estimate.stderr < 0.3)
    np.testing.assert_array_less(np.abs(estimate.value - truth), 4 * estimate.stderr + 1e-4)
    return estimate


def half_normal(x):
    return scipy.stats.halfnorm.logpdf(x).sum(1)


def test_absolute_of_a_gaussian_is_half_normal_tight_by_fair_signs_and_exact_when_even():
    x = np.abs(np.random.default_rng(0).normal(size=(5, 3)))
    np.testing.assert_allclose(value_of(normal_through(T.absolute(), 3), ((),), x).value, half_normal(x), rtol=1e-5)
    exact = log_prob(normal_through(T.absolute(even=True), 3), ((),), x)
    assert exact.density is Density.EXACT
    np.testing.assert_allclose(exact.value, half_normal(x), rtol=1e-5)


def folded(x, loc):
    return np.log(scipy.stats.norm.pdf(x, loc) + scipy.stats.norm.pdf(-x, loc)).sum(1)


def test_absolute_of_a_shifted_gaussian_is_folded_by_weights_and_exactly_by_the_sum():
    x, loc = np.abs(np.random.default_rng(0).normal(size=(5, 2))), np.array([0.5, -1.0])
    shift = T.affine(loc, 1.0)
    weights_match(normal_through(T.absolute(), 2, shift), ((), ()), x, folded(x, loc))
    base = bases.normal((2,))
    exact = log_prob(Model(base, T.sum_over_preimages(base, shift, T.absolute())), (), x)
    assert exact.density is Density.EXACT
    np.testing.assert_allclose(exact.value, folded(x, loc), rtol=1e-5)


def test_sorted_gaussians_have_the_density_of_order_statistics():
    """d! times the product of densities when exchangeable; the permanent of densities when the coordinates differ."""
    x = np.sort(np.random.default_rng(0).normal(size=(4, 3)), 1)
    truth = scipy.stats.norm.logpdf(x).sum(1) + np.log(6)
    np.testing.assert_allclose(log_prob(normal_through(T.sorting(exchangeable=True), 3), ((),), x).value, truth, rtol=1e-5)
    np.testing.assert_allclose(value_of(normal_through(T.sorting(), 3), ((),), x).value, truth, rtol=1e-5)
    loc = np.array([0.0, 0.3, 1.0])
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    truth = np.log(sum(scipy.stats.norm.pdf(x[:, o], loc).prod(1) for o in orders))
    weights_match(normal_through(T.sorting(), 3, T.affine(loc, 1.0)), ((), ()), x, truth)
    base = bases.normal((3,))
    exact = log_prob(Model(base, T.sum_over_preimages(base, T.affine(loc, 1.0), T.sorting())), (), x)
    np.testing.assert_allclose(exact.value, truth, rtol=1e-5)


def test_outside_the_support_the_density_is_zero_and_the_gradient_finite():
    base = bases.normal((2,))
    bad = {
        T.absolute(): [1.0, -0.5],
        T.absolute(even=True): [1.0, -0.5],
        T.sorting(): [1.0, 0.5],
        T.sorting(exchangeable=True): [1.0, 0.5],
        T.ascending(): [1.0, 0.5],
        T.sum_over_preimages(base, T.affine(0.0, 1.0), T.absolute()): [1.0, -0.5],
        T.sum_over_preimages(base, T.affine(0.0, 1.0), T.sorting()): [1.0, 0.5],
        T.uniform_dequantisation(): [1.0, 0.5],
    }
    for transform, x in bad.items():

        def value(x, transform=transform):
            pre = transform.inverse((), x, None, KEY)
            return base.log_prob(pre.z) + pre.log_det - pre.log_q

        log_density, gradient = jax.jit(jax.value_and_grad(value))(jnp.asarray(x))
        assert log_density == -np.inf
        assert np.isfinite(gradient).all()


def test_preimages_beyond_the_support_of_the_base_are_zero_not_nan():
    """Uniform on [-1, 2): of |z| = 1.5 only z = 1.5 counts, of 0.5 both do, of 3 none."""
    base = bases.uniform((1,), -1.0, 2.0)
    model = Model(base, T.sum_over_preimages(base, T.affine(0.0, 1.0), T.absolute()))
    log_density = log_prob(model, (), jnp.asarray([[0.5], [1.5], [3.0]])).value
    np.testing.assert_allclose(log_density, [np.log(2 / 3), np.log(1 / 3), -np.inf], rtol=1e-5)


def test_the_sum_is_refused_where_it_is_not_one():
    base = bases.normal((13,))
    with pytest.raises(ValueError, match="8192 preimages.*at most 5040"):
        init(KEY, Model(base, T.sum_over_preimages(base, T.affine(0.0, 1.0), T.absolute())))
    with pytest.raises(ValueError, match=r"surjection=Transform\(lower bound\); accepted: absolute"):
        T.sum_over_preimages(base, T.affine(0.0, 1.0), T.max_pooling(2))
    with pytest.raises(ValueError, match=r"inner=Transform\(lower bound\); accepted: an exact"):
        T.sum_over_preimages(base, T.uniform_dequantisation(), T.sorting())


def test_the_largest_of_gaussians_has_the_density_of_the_maximum():
    x = np.array([[-0.5, 0.3], [1.2, 2.0]])
    truth = np.sum(np.log(3) + scipy.stats.norm.logpdf(x) + 2 * scipy.stats.norm.logcdf(x), 1)
    model = normal_through(T.max_pooling(3), 6)
    for log_scale in (0.0, 0.4):
        weights_match(model, ({"log_scale": jnp.asarray(log_scale)},), x, truth)
    drawn = sample(KEY, model, ({"log_scale": jnp.asarray(0.0)},), 4_000)
    assert scipy.stats.kstest(np.asarray(drawn)[:, 1], lambda x: scipy.stats.norm.cdf(x) ** 3).pvalue > 1e-3
    for size in (0, 1, 2.5):
        with pytest.raises(ValueError, match=f"size={size}"):
            T.max_pooling(size)


def test_a_slice_of_a_gaussian_is_its_marginal_tight_for_the_right_conditional():
    """z = L eps with correlation 0.8: z_2 given x is N(0.8 x, 0.36), which q can be told exactly; any other q is a bound."""
    lower = {"loc": jnp.zeros(2), "tril": jnp.asarray([[1.0, 0.0], [0.8, 0.6]])}
    x = np.array([[-1.0], [0.2], [2.0]])
    truth = scipy.stats.norm.logpdf(x[:, 0])
    # A coupling's second half is moved by a network of the first; here the condition itself is the shift.
    right = moved_by_condition(0.8, 0.6)
    model = normal_through(T.slicing(1, right), 2, T.triangular_affine())
    np.testing.assert_allclose(value_of(model, (lower, ()), x).value, truth, rtol=1e-4)
    wrong = weights_match(normal_through(T.slicing(1, moved_by_condition(0.3, 1.0)), 2, T.triangular_affine()), (lower, ()), x, truth)
    single = value_of(
        normal_through(T.slicing(1, moved_by_condition(0.3, 1.0)), 2, T.triangular_affine()), (lower, ()), np.repeat(x, 500, 0)
    )
    assert np.all(np.asarray(single.value).reshape(3, 500).mean(1) < wrong.value)


def moved_by_condition(slope, scale):
    """N(slope * cond, scale^2) as an exact transform, without params."""
    plain = T.affine(0.0, scale)

    def forward_and_log_det(params, z, cond=None):
        y, log_det = plain.forward_and_log_det(params, z)
        return y + slope * cond[:1], log_det

    return bijection(no_params, forward_and_log_det, lambda params, x, cond=None, key=None: plain.inverse(params, x - slope * cond[:1]))


@pytest.mark.parametrize("q", ["uniform", "variational"])
def test_dequantised_probabilities_are_those_of_the_cells_and_sum_to_one(q):
    """Rounded Gaussians: P(k) is a difference of CDFs. All the mass is on few integers, so the enumeration is whole."""
    loc, scale = 0.3, 1.2
    surjection = T.uniform_dequantisation() if q == "uniform" else T.variational_dequantisation(T.on_condition(lambda c: c / 4, FLOW))
    model = normal_through(surjection, 1, T.affine(loc, scale))
    params = init(KEY, model)
    params = jax.tree.map(lambda a: a + 0.2, params) if q == "variational" else params
    k = np.arange(-6.0, 7.0)
    probability = scipy.stats.norm.cdf(k + 1, loc, scale) - scipy.stats.norm.cdf(k, loc, scale)
    estimate = weights_match(model, params, k[:, None], np.log(probability))
    assert abs(np.exp(estimate.value).sum() - 1) < 0.01
    drawn = np.asarray(sample(KEY, model, params, 4_000))
    assert np.all(drawn == np.round(drawn))
    assert abs((drawn == 0).mean() - probability[6]) < 0.04


def test_pixels_beyond_the_levels_are_the_nearest_and_have_no_cell():
    pixels = T.uniform_dequantisation(4)
    np.testing.assert_array_equal(pixels.forward((), jnp.asarray([-2.5, 0.2, 3.9, 7.0])), [0, 0, 3, 3])
    log_det = [float(pixels.inverse((), jnp.asarray([x]), None, jax.random.key(0)).log_det) for x in (-1.0, 0.0, 3.0, 4.0, 0.5)]
    assert log_det == [-np.inf, 0.0, 0.0, -np.inf, -np.inf]


def test_dequantised_values_never_round_up_to_the_next_integer():
    x = jnp.asarray([255.0, 65_535.0, -1.0, 0.0], jnp.float32)
    keys = jax.random.split(KEY, 20_000)
    for surjection in (T.uniform_dequantisation(), T.variational_dequantisation(T.affine(30.0, 1.0))):
        z = jax.jit(jax.vmap(lambda k, f=surjection: f.inverse((), x, None, k).z))(keys)
        np.testing.assert_array_equal(jnp.floor(z), jnp.broadcast_to(x, z.shape))


def test_rounding_in_the_inference_direction_is_a_histogram():
    """Integers from a shifted uniform grid are not needed: any event leaf whose values are integers, and a place inside."""
    coin = distrax.Independent(distrax.Categorical(probs=jnp.asarray([[0.2, 0.3, 0.5]])), 1)
    base = bases.joint({"event": coin, "place": bases.uniform((1,))})
    transform = T.rounding()
    x = jnp.asarray([0.1, 1.7, 2.5])[:, None]

    def value(x):
        pre = transform.inverse((), x)
        return base.log_prob({**pre.z, "event": pre.z["event"].astype(jnp.int32)}) + pre.log_det

    np.testing.assert_allclose(np.exp(jax.jit(jax.vmap(value))(x)), [0.2, 0.3, 0.5], rtol=1e-5)


def test_signs_have_the_probability_of_their_cell_and_the_mass_is_one():
    base = bases.joint({"event": bases.uniform((1,), 0.0, 2.0), "side": bases.uniform((1,))})
    net = nets.mlp(1, width=4, depth=1)
    model = Model(base, T.signs(lambda d: net))
    params = jax.tree.map(lambda a: a + 0.5, init(KEY, model))
    x = np.linspace(-1.995, 1.995, 400, dtype=np.float32)[:, None]
    density = np.exp(log_prob(model, params, x).value)
    np.testing.assert_allclose(density[::-1] + density, 0.5, rtol=1e-5)
    p = jax.nn.sigmoid(jax.jit(jax.vmap(lambda e: net.apply(params, e)))(jnp.asarray(x[200:])))[:, 0]
    np.testing.assert_allclose(density[200:], p / 2, rtol=1e-5)
    drawn = np.asarray(sample(KEY, model, params, 8_000))
    assert abs((drawn > 0).mean() - p.mean()) < 0.03


def test_shuffled_densities_are_invariant_and_integrate_to_one():
    base = bases.joint({"event": bases.normal((2,)), "order": bases.uniform((2,))})
    model = Model(base, T.chain(T.on("event", T.ascending()), T.shuffling()))
    side = np.linspace(-8, 12, 401, dtype=np.float32)
    # Two different grids, so that no point is a tie.
    x = np.stack(np.meshgrid(side, side + 0.01, indexing="ij"), -1).reshape(-1, 2)
    density = np.exp(log_prob(model, ((), ()), x).value, dtype=np.float64)
    np.testing.assert_allclose(density, np.exp(log_prob(model, ((), ()), x[:, ::-1]).value), rtol=1e-4, atol=1e-9)
    assert abs(density.sum() * (side[1] - side[0]) ** 2 - 1) < 2e-3
    drawn = np.asarray(sample(KEY, model, ((), ()), 4_000))
    assert abs((drawn[:, 0] > drawn[:, 1]).mean() - 0.5) < 0.04


def test_an_inverse_that_draws_asks_for_a_key():
    x = jnp.asarray([1.0, 2.0])
    for f in (
        T.absolute(),
        T.sorting(),
        T.uniform_dequantisation(),
        T.variational_dequantisation(FLOW),
        T.max_pooling(2),
        T.slicing(1, FLOW),
    ):
        with pytest.raises(ValueError, match="inverse: key=None"):
            f.inverse(f.init(KEY, jnp.zeros(4)), x)


def test_a_conditional_must_be_exact_and_a_size_whole():
    for make in (T.variational_dequantisation, lambda q: T.slicing(1, q)):
        with pytest.raises(ValueError, match=r"q=Transform\(lower bound, parts: .*; accepted: an exact"):
            make(T.sorting())
    for make in (T.slicing, T.augmentation):
        with pytest.raises(ValueError, match="=0; accepted"):
            make(0, FLOW)
