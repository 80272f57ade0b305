"""Bounded supports: the density of one's own saturated samples, of points on and off the boundary, and of NaN.

The reports of other libraries that these laws answer: log densities of tanh's own samples NaN (distrax 7, 216) and samples beyond the
bound by a rounding error (distrax 235).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import transforms as T

MAPS = {
    "positive": (T.onto_positive(), 0.0, np.inf),
    "sigmoid": (T.onto_interval(-0.3, 1.7), -0.3, 1.7),
    "tanh": (T.onto_interval(-1, 1, by="tanh"), -1.0, 1.0),
}
over_maps = pytest.mark.parametrize("name", list(MAPS))


def log_prob(f, x):
    pre = f.inverse((), x)
    return jnp.sum(-0.5 * pre.z**2) + pre.log_det


@over_maps
def test_saturated_samples_stay_inside_and_have_a_finite_density(name):
    f, low, high = MAPS[name]
    z = jnp.asarray([[0.0], [8.51089], [-8.51089], [30.0], [-30.0], [3e3], [-3e3]])
    x = jax.jit(jax.vmap(lambda z: f.forward((), z)))(z)
    assert np.all((x >= np.float32(low)) & (x <= np.float32(high)))
    value, gradient = jax.jit(jax.vmap(jax.value_and_grad(lambda x: log_prob(f, x))))(x)
    assert np.isfinite(value).all() and np.isfinite(gradient).all()


@over_maps
def test_outside_the_support_the_density_is_zero_with_a_finite_gradient(name):
    f, low, high = MAPS[name]
    outside = jnp.asarray([[low - 1e-3], [low - 1e6], [high + 1e-3], [1e6 if high < np.inf else np.inf], [-np.inf]])
    value, gradient = jax.jit(jax.vmap(jax.value_and_grad(lambda x: log_prob(f, x))))(outside)
    assert (value == -np.inf).all() and np.isfinite(gradient).all()
    assert np.isnan(log_prob(f, jnp.asarray([jnp.nan])))


def test_laws_with_a_name(x64):
    """Logistic noise through the sigmoid is uniform; the softplus of logistic noise has the density of its own change of variables."""
    with x64():
        x = jnp.asarray([2.1, 3.0, 4.9])
        pre = T.onto_interval(2.0, 5.0).inverse((), x)
        np.testing.assert_allclose(scipy.stats.logistic.logpdf(pre.z).sum() + pre.log_det, -3 * np.log(3), rtol=1e-12)
        pre = T.onto_positive().inverse((), x)
        np.testing.assert_allclose(np.log1p(np.exp(pre.z)), x, rtol=1e-12)
        half = T.onto_interval(-1, 1, by="tanh")
        np.testing.assert_allclose(half.forward((), jnp.asarray([0.4, -2.0])), np.tanh([0.4, -2.0]), rtol=1e-12)


def test_stick_breaking_of_the_right_betas_is_dirichlet(x64):
    """A uniform law on the simplex has shares Beta(1, d + 1 - i): their logits' density times the change of variables is d!, a constant."""
    with x64():
        x = jnp.asarray(np.random.default_rng(0).dirichlet(np.ones(4), 5))
        pre = jax.jit(jax.vmap(lambda x: T.onto_simplex().inverse((), x)))(x)
        share = 1 / (1 + np.exp(-(np.asarray(pre.z) - np.log([3, 2, 1]))))
        logit_density = scipy.stats.beta.logpdf(share, 1, [3, 2, 1]) + np.log(share * (1 - share))
        np.testing.assert_allclose(logit_density.sum(1) + pre.log_det, np.log(6), rtol=1e-10)


def test_the_simplex_and_its_edges():
    f = T.onto_simplex()
    np.testing.assert_allclose(f.forward((), jnp.zeros(4)), 0.2, rtol=1e-6)
    x = f.forward((), jnp.asarray([200.0, -200.0, 3.0]))
    np.testing.assert_allclose(np.sum(x), 1, rtol=1e-6)
    points = jnp.stack([x, jnp.asarray([0.0, 0.0, 1.0, 0.0]), jnp.asarray([0.5, 0.6, -0.1, 0.0]), jnp.full((4,), 0.3)])
    value, gradient = jax.jit(jax.vmap(jax.value_and_grad(lambda x: log_prob(f, x))))(points)
    assert np.isfinite(value[:2]).all() and (value[2:] == -np.inf).all() and np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.onto_interval(1.0, 1.0), "high=1.0; accepted: finite numbers above low=1.0"),
        (lambda: T.onto_interval(np.nan, 1.0), "low=nan"),
        (lambda: T.affine(0.0, [1.0, 0.0]), r"affine: scale=\[1.0, 0.0\]; accepted: finite numbers without a zero"),
        (lambda: T.affine(np.inf, 1.0), "affine: loc=inf; accepted: finite numbers"),
        (lambda: T.onto_interval(0.0, np.inf), "high=inf"),
        (lambda: T.onto_interval(0, 1, by="erf"), "by='erf'"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
