"""Accept-reject: the density integrates to one for every truncation, and is that of the draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases

# Accept to the right of 1 with probability 0.9, elsewhere 0.1: everything about it is in closed form.
HIGH, LOW = 0.9, 0.1
ABOVE = scipy.stats.norm.sf(1.0)
RATE = HIGH * ABOVE + LOW * (1 - ABOVE)


def step(z):
    return jnp.where(z[0] > 1, jnp.asarray(HIGH, z.dtype), jnp.asarray(LOW, z.dtype))


def make(num_proposals, **options):
    return bases.resampled(bases.normal((1,)), step, num_proposals, **options)


@pytest.mark.parametrize("num_proposals", [1, 2, 5, 200])
def test_density_integrates_to_one_and_is_that_of_the_draws(num_proposals, key):
    base = make(num_proposals, rate=RATE)
    # Midpoints, so that the jump at 1 falls on an edge.
    grid = (-9 + (np.arange(36_000) + 0.5) / 2_000)[:, None]
    with jax.enable_x64(True):
        density = np.exp(jax.jit(jax.vmap(base.log_prob))(jnp.asarray(grid)))
    area = grid[1, 0] - grid[0, 0]
    assert abs(density.sum() * area - 1) < 1e-6
    z = np.asarray(base.sample(seed=key, sample_shape=(8_000,)))[:, 0]
    share = density[grid[:, 0] > 1].sum() * area
    assert abs((z > 1).mean() - share) < 4 * np.sqrt(share * (1 - share) / len(z))


def test_one_proposal_is_the_proposal_itself_and_many_are_the_posterior():
    z = jnp.asarray([1.5])
    np.testing.assert_allclose(make(1, rate=RATE).log_prob(z), scipy.stats.norm.logpdf(1.5), rtol=1e-6)
    np.testing.assert_allclose(make(10_000, rate=RATE).log_prob(z), scipy.stats.norm.logpdf(1.5) + np.log(HIGH / RATE), rtol=1e-5)


def test_dtypes_are_those_of_the_value():
    with jax.enable_x64(True):
        for dtype in (jnp.float32, jnp.float64):
            assert make(5, rate=RATE).log_prob(jnp.zeros(1, dtype)).dtype == dtype


def test_the_rate_is_estimated_once_with_its_standard_error():
    base = make(5, num_estimate=20_000)
    assert 0 < base.rate_stderr < 0.01
    assert abs(base.rate - RATE) < 4 * base.rate_stderr
    assert base.rate != RATE and make(5, rate=RATE).rate_stderr == 0


def test_the_standard_error_is_that_of_a_mean_of_acceptances():
    """Acceptances are .9 with probability `ABOVE`, else .1: their variance is known."""
    deviation = (HIGH - LOW) * np.sqrt(ABOVE * (1 - ABOVE))
    np.testing.assert_allclose(make(5, num_estimate=20_000).rate_stderr, deviation / np.sqrt(20_000), rtol=0.02)
    assert make(5, num_estimate=1_000, seed=1).rate != make(5, num_estimate=1_000, seed=2).rate


def test_draws_are_independent_and_of_every_leading_shape(key):
    z = np.asarray(make(3, rate=RATE).sample(seed=key, sample_shape=(50, 40)))
    assert z.shape == (50, 40, 1) and make(3, rate=RATE).sample(seed=key, sample_shape=4).shape == (4, 1)
    assert len(np.unique(z)) > 1_990


def test_a_rate_of_one_is_the_proposal_and_small_rates_keep_their_digits(x64):
    with x64():
        always = bases.resampled(bases.normal((1,)), lambda z: jnp.ones((), z.dtype), 7, rate=1.0)
        np.testing.assert_allclose(always.log_prob(jnp.asarray([0.3])), scipy.stats.norm.logpdf(0.3), rtol=1e-12)
        # With a and Z equal and tiny every proposal is as good as another: the proposal again, also where 1 - Z rounds to one.
        rare = bases.resampled(bases.normal((1,)), lambda z: jnp.full((), 1e-17, z.dtype), 100, rate=1e-17)
        np.testing.assert_allclose(rare.log_prob(jnp.asarray([0.3])), scipy.stats.norm.logpdf(0.3), rtol=1e-12)


def test_where_nothing_is_accepted_the_density_is_zero_and_gradients_are_finite():
    # Never accepted left of zero, and no truncation to speak of: (1/2)^4999 is zero in any precision.
    base = bases.resampled(bases.normal((1,)), lambda z: (z[0] > 0).astype(z.dtype), 5_000, rate=0.5)
    assert base.log_prob(jnp.asarray([-1.0])) == -np.inf
    assert np.isfinite(jax.grad(base.log_prob)(jnp.asarray([-1.0]))).all()


@pytest.mark.parametrize(
    ("acceptance", "options", "match"),
    [
        (step, {"num_proposals": 0}, "num_proposals=0"),
        (step, {"rate": 0.0}, "rate=0.0"),
        (lambda z: 2 * step(z), {"num_estimate": 100}, r"acceptance from 0.2 to 1.8"),
        (lambda z: 0 * step(z), {"num_estimate": 100}, "acceptance=0 on all of 100"),
    ],
)
def test_bad_arguments_are_named(acceptance, options, match):
    with pytest.raises(ValueError, match=match):
        bases.resampled(bases.normal((1,)), acceptance, **options)
