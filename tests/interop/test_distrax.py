"""Models as distrax distributions and bijectors both ways, against distrax's own and against scipy."""

import distrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jaxgen
from jaxgen import bases, nets
from jaxgen import transforms as T
from jaxgen.model import Model

LOC, SCALE = np.array([1.0, -2.0], np.float32), np.array([0.5, 3.0], np.float32)
GAUSSIAN = Model(bases.normal((2,)), T.affine(LOC, SCALE))
LEARNED = Model(bases.normal((2,)), T.triangular_affine())
PARAMS = {"loc": jnp.asarray(LOC), "tril": jnp.asarray([[1.2, 0.0], [0.5, 0.8]])}
VAE = Model(bases.latent_and_noise((2,), (2,)), T.gaussian_decoder(nets.mlp(4, width=4, depth=1), nets.mlp(4, width=4, depth=1)))


def conditional():
    """A Gaussian whose mean is linear in the condition, so that its density is known."""
    shift = T.coupling(T.scale_and_shift(), lambda out: nets.mlp(out, width=4, depth=1))
    model = Model(bases.normal((1,)), shift)
    params = jax.tree.map(lambda a: a + 0.3, shift.init(jax.random.key(0), jnp.zeros(1), jnp.zeros(2)))
    return model, params


def truth(x):
    return scipy.stats.norm(LOC, SCALE).logpdf(x).sum(-1)


@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_a_distribution_has_the_models_density_and_shapes(shape, key):
    distribution = bases.as_distribution(GAUSSIAN, ())
    x, lp = distribution.sample_and_log_prob(seed=key, sample_shape=shape)
    assert isinstance(distribution, distrax.Distribution)
    assert distribution.event_shape == (2,) and distribution.batch_shape == () and distribution.dtype == jnp.float32
    assert x.shape == (*shape, 2) and lp.shape == shape
    np.testing.assert_allclose(lp, truth(np.asarray(x)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(distribution.log_prob(x), lp, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(distribution.sample(seed=key, sample_shape=shape), x)


def test_draws_follow_the_model(key):
    x = np.asarray(bases.as_distribution(GAUSSIAN, ()).sample(seed=key, sample_shape=4_000))
    for i in range(2):
        assert scipy.stats.kstest(x[:, i], scipy.stats.norm(LOC[i], SCALE[i]).cdf).pvalue > 1e-3


def test_a_batch_of_conditions_is_a_batch_of_distributions(key):
    model, params = conditional()
    cond = jnp.asarray(np.random.default_rng(0).standard_normal((4, 3, 2)), jnp.float32)
    batch = bases.as_distribution(model, params, cond)
    assert batch.batch_shape == (4, 3) and batch.event_shape == (1,)
    x, lp = batch.sample_and_log_prob(seed=key, sample_shape=(5,))
    assert x.shape == (5, 4, 3, 1) and lp.shape == (5, 4, 3)
    one = bases.as_distribution(model, params, cond[3, 1])
    assert one.batch_shape == ()
    np.testing.assert_allclose(one.log_prob(x[:, 3, 1]), lp[:, 3, 1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(batch.log_prob(x[0, 0, 0])[3, 1], one.log_prob(x[0, 0, 0]), rtol=1e-4, atol=1e-5)
    assert np.ptp(np.asarray(batch.log_prob(jnp.ones(1)))) > 0.01


def test_it_passes_through_jit_vmap_and_grad(key):
    x = jnp.ones((3, 2))
    distribution = bases.as_distribution(LEARNED, PARAMS)
    traces = []

    @jax.jit
    def density(d, x):
        traces.append(1)
        return d.log_prob(x)

    expected = jaxgen.log_prob(LEARNED, PARAMS, x).value
    np.testing.assert_allclose(density(distribution, x), expected, rtol=1e-5)
    density(bases.as_distribution(LEARNED, jax.tree.map(lambda a: a + 1, PARAMS)), x)
    assert len(traces) == 1
    many = jax.tree.map(lambda a: jnp.stack([a, a + 1]), PARAMS)
    over = jax.jit(jax.vmap(lambda p: bases.as_distribution(LEARNED, p).log_prob(x)))(many)
    np.testing.assert_allclose(over[0], expected, rtol=1e-5)
    assert not np.allclose(over[1], expected)
    assert jax.vmap(lambda k: distribution.sample(seed=k))(jax.random.split(key, 4)).shape == (4, 2)
    gradient = jax.grad(lambda p: bases.as_distribution(LEARNED, p).log_prob(LOC))(PARAMS)
    np.testing.assert_allclose(gradient["loc"], 0, atol=1e-6)
    assert np.all(np.diag(gradient["tril"]) < 0)


def test_it_is_a_part_of_distraxs_own_constructions():
    transformed = distrax.Transformed(bases.as_distribution(GAUSSIAN, ()), distrax.Block(distrax.Lambda(jnp.exp), 1))
    x = np.array([[0.5, 2.0], [3.0, 0.1]], np.float32)
    np.testing.assert_allclose(transformed.log_prob(jnp.asarray(x)), truth(np.log(x)) - np.log(x).sum(1), rtol=1e-5)


def test_a_distribution_as_the_base_of_another_model(key):
    model = Model(bases.as_distribution(GAUSSIAN, ()), T.affine(0.0, 2.0))
    x = jaxgen.sample(key, model, (), 6)
    expected = scipy.stats.norm(2 * LOC, 2 * SCALE).logpdf(np.asarray(x)).sum(1)
    np.testing.assert_allclose(jaxgen.log_prob(model, (), x).value, expected, rtol=1e-4, atol=1e-5)


def test_the_adapters_are_where_they_have_always_been():
    assert bases.as_distribution is jaxgen.interop.as_distribution and bases.logdensity is jaxgen.interop.logdensity
    assert T.from_distrax is bases.from_distrax is jaxgen.interop.from_distrax and T.to_distrax is jaxgen.interop.to_distrax


def test_what_has_no_density_is_refused():
    for make in (lambda: bases.as_distribution(VAE, ()), lambda: T.to_distrax(VAE.transform, ()), lambda: bases.logdensity(VAE, ())):
        with pytest.raises(ValueError, match="density lower bound.*accepted: an? .*exact"):
            make()
    with pytest.raises(ValueError, match=r"log_prob: value=array of shape \(3,\); accepted: \(\.\.\., 2\)"):
        bases.as_distribution(GAUSSIAN, ()).log_prob(jnp.zeros(3))


@pytest.mark.parametrize("make", [distrax.Tanh, distrax.Sigmoid, lambda: distrax.Lambda(jnp.exp), lambda: distrax.ScalarAffine(1.0, 2.0)])
def test_a_bijector_as_a_transform_has_distraxs_log_det_summed_over_the_event(make):
    f, z = T.from_distrax(make()), jnp.asarray([[0.3, -0.7, 1.1], [0.0, 2.0, -1.0]])
    x, log_det = f.forward_and_log_det((), z)
    expected_x, each = make().forward_and_log_det(z)
    np.testing.assert_allclose(x, expected_x, rtol=1e-6)
    np.testing.assert_allclose(log_det, np.sum(each), rtol=1e-5)
    pre = f.inverse((), x)
    np.testing.assert_allclose(pre.z, z, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pre.log_det, -log_det, rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "outside"),
    [(distrax.Tanh, [1.0, -1.5, 1e4]), (distrax.Sigmoid, [0.0, -0.1, 1.2]), (lambda: distrax.Lambda(jnp.exp), [0.0, -3.0, -np.inf])],
)
def test_outside_the_support_the_density_is_zero_and_its_gradient_too(make, outside):
    model = Model(bases.normal((2,)), T.from_distrax(make()))
    x = jnp.asarray([[0.5, value] for value in outside])
    assert np.all(jaxgen.log_prob(model, (), x).value == -np.inf)
    gradient = jax.jit(jax.vmap(jax.grad(lambda x: jnp.exp(bases.logdensity(model, ())(x)))))(x)
    np.testing.assert_array_equal(gradient, 0)
    assert np.isnan(jaxgen.log_prob(model, (), jnp.asarray([[0.5, np.nan]])).value).all()


def test_learnable_bijectors_have_their_parameters_outside():
    build = lambda p: distrax.Chain([distrax.Shift(p["loc"]), distrax.ScalarAffine(jnp.zeros(2), log_scale=p["log_scale"])])
    f = T.from_distrax(build, {"loc": np.zeros(2, np.float32), "log_scale": np.zeros(2, np.float32)})
    model = Model(bases.normal((2,)), f)
    start = jaxgen.init(jax.random.key(0), model)
    np.testing.assert_array_equal(start["loc"], 0)
    x = np.array([[0.2, 4.0]], np.float32)
    lp = jaxgen.log_prob(model, {"loc": jnp.asarray(LOC), "log_scale": jnp.log(SCALE)}, x).value
    np.testing.assert_allclose(lp, truth(x), rtol=1e-5)
    gradient = jax.grad(lambda p: jnp.sum(jaxgen.log_prob(model, p, x).value))(start)
    np.testing.assert_allclose(gradient["loc"], x[0], rtol=1e-5)


@pytest.mark.parametrize("leading", [(), (2, 3)])
def test_a_transform_as_a_bijector_maps_leading_axes_as_a_batch(leading):
    bijector = T.to_distrax(LEARNED.transform, PARAMS)
    z = jnp.asarray(np.random.default_rng(0).standard_normal((*leading, 2)), jnp.float32)
    x, log_det = bijector.forward_and_log_det(z)
    assert x.shape == z.shape and log_det.shape == leading
    np.testing.assert_allclose(x, LOC + np.asarray(z) @ np.asarray(PARAMS["tril"]).T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(log_det, np.log(1.2 * 0.8), rtol=1e-5)
    back, inverse_log_det = bijector.inverse_and_log_det(x)
    np.testing.assert_allclose(back, z, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(inverse_log_det, -log_det, rtol=1e-5)


def test_there_and_back_is_the_same_transform():
    again = T.from_distrax(T.to_distrax(LEARNED.transform, PARAMS))
    z = jnp.asarray([0.4, -1.3])
    for ours, theirs in zip(again.forward_and_log_det((), z), LEARNED.transform.forward_and_log_det(PARAMS, z), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_bijector_of_ours_inside_a_distribution_of_distrax():
    tanh = T.to_distrax(T.from_distrax(distrax.Tanh()), ())
    distribution = distrax.Transformed(distrax.MultivariateNormalDiag(jnp.zeros(2)), tanh)
    x = jnp.asarray([[0.3, -0.8], [0.3, 1.2]])
    expected = scipy.stats.norm.logpdf(np.arctanh(x[0])).sum() - np.log(1 - np.asarray(x[0]) ** 2).sum()
    np.testing.assert_allclose(distribution.log_prob(x), [expected, -np.inf], rtol=1e-5)
    with pytest.raises(ValueError, match="event_ndims_in==1"):
        tanh.forward_and_log_det(jnp.zeros(()))


def test_a_bijector_with_a_condition():
    model, params = conditional()
    cond = jnp.asarray([0.5, -1.0])
    bijector = T.to_distrax(model.transform, params, cond)
    x, log_det = bijector.forward_and_log_det(jnp.asarray([[0.2], [1.0]]))
    expected = jax.jit(jax.vmap(lambda z: model.transform.forward_and_log_det(params, z, cond)))(jnp.asarray([[0.2], [1.0]]))
    np.testing.assert_allclose(x, expected[0], rtol=1e-6)
    np.testing.assert_allclose(log_det, expected[1], rtol=1e-6)
