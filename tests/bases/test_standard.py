"""Base distributions against scipy, shapes of batches, and the density outside the support."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases

KINDS = {"normal": scipy.stats.norm, "uniform": scipy.stats.uniform, "logistic": scipy.stats.logistic}
over_kinds = pytest.mark.parametrize("name", list(KINDS))


@over_kinds
def test_log_density_is_the_sum_over_the_event(name):
    z = np.array([[0.1, 0.7, 0.4], [0.9, 0.05, 0.5]])
    base = getattr(bases, name)((3,))
    np.testing.assert_allclose(jax.jit(jax.vmap(base.log_prob))(jnp.asarray(z)), KINDS[name].logpdf(z).sum(1), rtol=1e-5)


@over_kinds
def test_a_base_made_in_float32_keeps_the_digits_of_a_float64_value(name, x64):
    """A constant such as log(2 pi) / 2 must not be rounded to float32 on its way into a float64 density, and the reverse neither."""
    base = getattr(bases, name)((3,))
    z = np.array([0.1, 0.7, 0.4])
    with x64():
        np.testing.assert_allclose(base.log_prob(jnp.asarray(z)), KINDS[name].logpdf(z).sum(), rtol=1e-14, atol=1e-14)
        assert base.log_prob(jnp.asarray(z, jnp.float32)).dtype == jnp.float32
    joint = bases.latent_and_noise((1,), (2,))
    with x64():
        noise = {"latent": jnp.asarray(z[:1]), "noise": jnp.asarray(z[1:])}
        np.testing.assert_allclose(joint.log_prob(noise), scipy.stats.norm.logpdf(z).sum(), rtol=1e-14)


@over_kinds
def test_draws_follow_the_distribution(name, key):
    z = np.asarray(getattr(bases, name)((2,)).sample(seed=key, sample_shape=(4_000,)))
    assert z.shape == (4_000, 2)
    assert scipy.stats.kstest(z.ravel(), KINDS[name].cdf).pvalue > 1e-3


def test_outside_the_support_the_log_density_is_minus_infinity():
    assert bases.uniform((2,)).log_prob(jnp.asarray([0.5, 1.5])) == -np.inf
    assert bases.uniform((2,)).log_prob(jnp.asarray([-0.1, 0.5])) == -np.inf


def test_noise_in_parts_is_a_dict_whose_densities_add(key):
    base = bases.diffusion_noise((2,), 5)
    z = base.sample(seed=key)
    assert jax.tree.map(jnp.shape, z) == {"x0": (2,), "increments": (5, 2)}
    np.testing.assert_allclose(base.log_prob(z), sum(scipy.stats.norm.logpdf(a).sum() for a in z.values()), rtol=1e-5)
    assert not np.allclose(z["x0"], z["increments"][0])
    z = bases.latent_and_noise((1,), (3,)).sample(seed=key)
    assert jax.tree.map(jnp.shape, z) == {"latent": (1,), "noise": (3,)}


def test_leaves_of_joint_noise_are_independent_and_a_value_out_of_one_support_has_no_density(key):
    z = bases.joint({"a": bases.normal((2,)), "b": bases.normal((2,))}).sample(seed=key, sample_shape=(2_000,))
    assert np.abs(np.corrcoef(np.concatenate([z["a"], z["b"]], 1).T) - np.eye(4)).max() < 5 / np.sqrt(2_000)
    mixed = bases.joint({"a": bases.normal((1,)), "b": bases.uniform((1,))})
    assert mixed.log_prob({"a": jnp.zeros(1), "b": jnp.asarray([2.0])}) == -np.inf
    with pytest.raises(ValueError, match="joint: bases={}; accepted"):
        bases.joint({})


def test_a_sampler_of_higher_order_has_areas_shaped_as_its_increments(key):
    base = bases.diffusion_noise((2,), 5, areas=True)
    z = base.sample(seed=key, sample_shape=(3,))
    assert jax.tree.map(jnp.shape, z) == {"x0": (3, 2), "increments": (3, 5, 2), "areas": (3, 5, 2)}
    assert not np.allclose(z["areas"], z["increments"])
    one = jax.tree.map(lambda a: a[0], z)
    np.testing.assert_allclose(base.log_prob(one), sum(scipy.stats.norm.logpdf(a).sum() for a in one.values()), rtol=1e-5)


def test_a_uniform_on_any_interval(key):
    base = bases.uniform((2,), -3.0, 5.0)
    z = np.asarray(base.sample(seed=key, sample_shape=(4_000,)))
    assert scipy.stats.kstest(z.ravel(), scipy.stats.uniform(-3, 8).cdf).pvalue > 1e-3
    np.testing.assert_allclose(base.log_prob(jnp.asarray([-2.9, 4.9])), -2 * np.log(8), rtol=1e-6)
    assert base.log_prob(jnp.asarray([0.0, 5.1])) == -np.inf
    with pytest.raises(ValueError, match=r"low=1.0, high=1.0"):
        bases.uniform((2,), 1.0, 1.0)
