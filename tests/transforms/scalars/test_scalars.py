"""Scalar bijectors by themselves: slopes on and beside every knot, limits, starts; each against an independent truth where there is one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from jax.test_util import check_grads

from jaxgen import transforms

SCALARS = {
    "affine": transforms.scale_and_shift(),
    "spline": transforms.rational_quadratic(5, 2.0),
    "mixture": transforms.mixture_logit(3),
    "binned": transforms.binned(6, 2.0),
}
over_scalars = pytest.mark.parametrize("name", list(SCALARS))


def knots(raw, bound=2.0, least=1e-3):
    width = least + (1 - len(raw) * least) * scipy.special.softmax(raw)
    return np.concatenate([[-bound], bound * (2 * np.cumsum(width)[:-1] - 1), [bound]])


def around(points):
    points = np.asarray(points)
    return np.concatenate([points, points - 1e-9, points + 1e-9, (points[1:] + points[:-1]) / 2])


def points(name, theta):
    """Noise and data on, beside and between the knots, and far outside."""
    far = np.array([-40.0, -2.5, 2.5, 40.0])
    if name == "spline":
        return np.concatenate([around(knots(theta[:5])), far]), np.concatenate([around(knots(theta[5:10])), far])
    if name == "binned":
        cells = np.concatenate([[0], np.cumsum(masses(theta))])[1:-1]
        return np.concatenate([around(np.linspace(-2, 2, 7)), far]), np.concatenate([around(cells), [1e-6, 1 - 1e-6]])
    return np.linspace(-30, 30, 41), np.linspace(-30, 30, 41)


def masses(theta):
    """The masses of the bins, read off the inverse: the volume of a bin's cell of uniforms."""
    inner = np.linspace(-2, 2, 7)[1:-1]
    u = np.asarray(jax.jit(jax.vmap(lambda x: SCALARS["binned"].inverse(jnp.asarray(theta), x)[0]))(jnp.asarray(inner)))
    return np.diff(np.concatenate([[0], u, [1]]))


@over_scalars
def test_slopes_and_round_trips_on_and_beside_every_knot(name, x64):
    with x64():
        scalar, rng = SCALARS[name], np.random.default_rng(1)
        theta = rng.standard_normal(scalar.num_params)
        for x_or_z, one, other in zip(points(name, theta), (scalar.inverse, scalar.forward), (scalar.forward, scalar.inverse), strict=True):

            def both(v, one=one, other=other):
                th = jnp.asarray(theta)
                (y, log_slope), (slope, _) = jax.jvp(lambda v: one(th, v), (v,), (jnp.ones_like(v),))
                return y, log_slope, slope, *other(th, y)

            v = jnp.asarray(np.sort(x_or_z))
            y, log_slope, slope, again, back = jax.jit(jax.vmap(both))(v)
            assert np.all(np.diff(y) >= 0)
            inside = np.ones(len(v), bool) if name != "binned" else (np.abs(v) < 3)
            np.testing.assert_allclose(np.exp(log_slope), slope, rtol=1e-6, atol=1e-12)
            np.testing.assert_allclose(again[inside], v[inside], rtol=1e-7, atol=1e-8)
            # A slope jumps at the edge of a bin, where a rounding error decides on which side of it one is.
            if name != "binned":
                np.testing.assert_allclose(back, -log_slope, rtol=1e-6, atol=1e-6)


def test_the_spline_meets_its_knots_with_its_slopes(x64):
    with x64():
        theta = np.random.default_rng(1).standard_normal(14)
        found = jax.jit(jax.vmap(lambda x: SCALARS["spline"].inverse(jnp.asarray(theta), x)))(jnp.asarray(knots(theta[:5])[1:-1]))
        np.testing.assert_allclose(found[0], knots(theta[5:10])[1:-1], rtol=1e-9)
        unit = np.log(np.expm1(1 - 1e-3))
        np.testing.assert_allclose(np.exp(found[1]), 1e-3 + np.log1p(np.exp(theta[10:] + unit)), rtol=1e-9)


@pytest.mark.parametrize("way", ["inverse", "forward"])
def test_the_splines_own_rule_agrees_with_finite_differences(way, x64):
    """Both results by every number in `theta` and by the point, in every bin and outside; each mode."""
    with x64():
        theta = jnp.asarray(np.random.default_rng(2).standard_normal(14))
        inside = knots(np.asarray(theta[:5] if way == "inverse" else theta[5:10]))
        points = jnp.asarray(np.concatenate([inside[:-1] + 0.3 * np.diff(inside), [-2.5, 3.0]]))
        check_grads(jax.jit(jax.vmap(getattr(SCALARS["spline"], way), (None, 0))), (theta, points), order=1, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    "scalar", [transforms.scale_and_shift(), SCALARS["spline"], SCALARS["mixture"]], ids=["affine", "spline", "mixture"]
)
def test_many_numbers_at_once_are_each_their_own(scalar):
    rng = np.random.default_rng(3)
    theta, x = (jnp.asarray(2 * rng.standard_normal((*k, 3, 4)), jnp.float32) for k in ((scalar.num_params,), ()))
    for function in (scalar.forward, scalar.inverse):
        at_once, one = jax.jit(scalar.over(function))(theta, x), jax.jit(function)
        for i, j in np.ndindex(3, 4):
            np.testing.assert_allclose([a[i, j] for a in at_once], one(theta[:, i, j], x[i, j]), rtol=1e-5, atol=1e-6)


def test_the_spline_starts_as_the_identity():
    x = jnp.linspace(-3, 3, 31)
    y, log_slope = jax.jit(jax.vmap(lambda x: SCALARS["spline"].inverse(jnp.zeros(14), x)))(x)
    np.testing.assert_allclose(y, x, atol=2e-6)
    np.testing.assert_allclose(log_slope, 0, atol=1e-5)


def test_the_mixture_is_the_logit_of_its_cdf(x64):
    with x64():
        theta, x = np.random.default_rng(0).standard_normal(9), np.linspace(-4, 4, 9)
        weight, mean = scipy.special.softmax(theta[:3]), theta[3:6] + np.array([-2.0, 0.0, 2.0])
        scale = 1e-3 + np.log1p(np.exp(theta[6:] + np.log(np.expm1(2 / 3))))
        cdf = (weight * scipy.stats.logistic.cdf((x[:, None] - mean) / scale)).sum(1)
        z, log_slope = jax.jit(jax.vmap(lambda x: SCALARS["mixture"].inverse(jnp.asarray(theta), x)))(jnp.asarray(x))
        np.testing.assert_allclose(z, scipy.special.logit(cdf), rtol=1e-8)
        pdf = (weight * scipy.stats.logistic.pdf((x[:, None] - mean) / scale) / scale).sum(1)
        np.testing.assert_allclose(scipy.stats.logistic.logpdf(z) + log_slope, np.log(pdf), rtol=1e-8)


def test_the_mixtures_tails_are_exact_in_float32():
    """Where the CDF rounds to one, the logit still moves with the slope of the heaviest tail."""
    z, log_slope = jax.jit(jax.vmap(lambda x: SCALARS["mixture"].inverse(jnp.zeros(9), x)))(jnp.asarray([60.0, 61.0, -61.0]))
    assert np.isfinite(z).all()
    np.testing.assert_allclose(z[1] - z[0], np.exp(log_slope[0]), rtol=1e-4)
    np.testing.assert_allclose(z[1], -z[2], rtol=1e-5)


@pytest.mark.parametrize("way", ["forward", "inverse"])
def test_the_mixture_has_finite_slopes_and_gradients_however_far_out(way):
    function, theta = getattr(SCALARS["mixture"], way), jnp.asarray(np.random.default_rng(0).standard_normal((5, 9)) * 5, jnp.float32)
    far = jnp.asarray([1e10, 1e25, -1e25, 3e38, -3e38], jnp.float32)

    def results(theta, v):
        results, pull = jax.vjp(function, theta, v)
        one, zero = jnp.ones_like(v), jnp.zeros_like(v)
        return results, [pull(row) for row in ((one, zero), (zero, one))]

    for leaf in jax.tree.leaves(jax.jit(jax.vmap(jax.vmap(results, (None, 0)), (0, None)))(theta, far)):
        assert np.isfinite(leaf).all()


def test_bins_hold_their_mass_and_tails_are_exponential(x64):
    with x64():
        theta = np.random.default_rng(0).standard_normal(6) / 5
        mass = masses(theta)
        expected = (1 - 2e-5) * scipy.special.softmax(5 * theta) + 2e-5 / 6
        np.testing.assert_allclose(mass, expected, rtol=1e-7)
        x = jnp.asarray([-10.0, -4.0, -1.5, 0.1, 1.9, 4.0])
        log_density = jax.jit(jax.vmap(lambda x: SCALARS["binned"].inverse(jnp.asarray(theta), x)[1]))(x)
        width = 2 / 3
        tails = {0: -np.abs(-10 + 4 / 3) / width, 1: -np.abs(-4 + 4 / 3) / width, 4: -(1.9 - 4 / 3) / width, 5: -(4 - 4 / 3) / width}
        for i, k in enumerate([0, 0, 0, 3, 5, 5]):
            beyond = tails.get(i, -(1.5 - 4 / 3) / width if i == 2 else 0.0)
            np.testing.assert_allclose(log_density[i], np.log(mass[k] / width) + beyond, rtol=1e-7)


def test_no_layer_can_overflow():
    x, log_slope = SCALARS["affine"].forward(jnp.asarray([0.0, 1e6]), jnp.asarray(1.0))
    np.testing.assert_allclose([x, log_slope], [np.exp(3), 3], rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: transforms.rational_quadratic(1), "num_bins=1"),
        (lambda: transforms.rational_quadratic(8, -1.0), r"bound=-1\.0"),
        (lambda: transforms.rational_quadratic(2.5), r"num_bins=2\.5"),
        (lambda: transforms.rational_quadratic(8, np.inf), "bound=inf"),
        (lambda: transforms.rational_quadratic(min_bin=-1.0), r"min_bin=-1\.0"),
        (lambda: transforms.rational_quadratic(min_slope=1.0), r"min_slope=1\.0"),
        (lambda: transforms.circular_spline(min_slope=np.nan), "min_slope=nan"),
        (lambda: transforms.binned(bound=np.nan), "bound=nan"),
        (lambda: transforms.binned(min_mass=2.5), r"min_mass=2\.5"),
        (lambda: transforms.mixture_logit(half_width=-1.0), r"half_width=-1\.0"),
        (lambda: transforms.mixture_logit(min_scale=-1.0), r"min_scale=-1\.0"),
        (lambda: transforms.scale_and_shift(0.0), r"max_log_scale=0\.0"),
        (lambda: transforms.student_tails(max_log_scale=0.0), r"max_log_scale=0\.0"),
        (lambda: transforms.deep_sigmoidal(min_slope=1.0), r"min_slope=1\.0"),
        (lambda: transforms.categorical(3, min_mass=np.nan), "min_mass=nan"),
        (lambda: transforms.repeat(transforms.flip(), 2.5), r"num=2\.5"),
        (lambda: transforms.lu(seed=1.5), r"seed=1\.5"),
        (lambda: transforms.binned(2), "num_bins=2"),
        (lambda: transforms.mixture_logit(0), "num_components=0"),
        (lambda: transforms.repeat(transforms.flip(), 0), "num=0"),
        (lambda: transforms.affine(0.0, 0.0), "accepted: finite numbers without a zero"),
        (lambda: transforms.affine(np.nan, 1.0), "loc=nan"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
