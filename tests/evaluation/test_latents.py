"""What a latent carries, on encoders whose answer is known: collapse is flagged where it happens and nowhere else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, nets
from jaxgen import transforms as T
from jaxgen.evaluation import Posteriors, active_units, aggregate_mismatch, collapsed_units, posteriors, rate_and_distortion
from jaxgen.model import Model

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2_000, 1))
N, L = len(X), 4


def found(mean, scale):
    """Posteriors of `X` from four means and four scales, each a number or one for every event."""
    columns = lambda values: np.concatenate([np.broadcast_to(v, (N, 1)) for v in values], 1).astype(float)
    return Posteriors(columns(mean), np.log(columns(scale)))


# Unit 0 tells of x, as does unit 1 a little; unit 2 is the prior; unit 3 is a constant, and not the prior.
MIXED = found((0.9 * X, 0.2 * X, 0.0, 1.5), (np.sqrt(1 - 0.9**2), np.sqrt(1 - 0.2**2), 1.0, 0.3))


def test_units_that_tell_are_active_and_those_on_the_prior_collapsed():
    assert active_units(MIXED).tolist() == [True, True, False, False]
    assert collapsed_units(MIXED).tolist() == [False, False, True, False]


def test_collapse_is_of_every_unit_or_it_is_none():
    gone = found((0.0, 0.001 * X, 0.01, 0.0), (1.0, 0.999, 1.01, 1.0))
    assert collapsed_units(gone).all() and not active_units(gone).any()
    free = found((30 * X, 2 * X, 0.05 * X, 0.0), (0.01, 0.01, 0.01, 0.01))
    assert not collapsed_units(free).any()


def test_the_thresholds_are_of_a_variance_and_of_a_mean_rate():
    """0.09 x has a variance of 0.008 and a standard deviation of 0.09, a mean rate of 0.004 nats and one above 0.02 for far events."""
    faint = found((0.09 * X, 0.0, 0.15 * X, 0.0), (1.0, 1.0, 1.0, 0.75))
    assert active_units(faint).tolist() == [False, False, True, False]
    assert faint.rates[:, 0].max() > 0.02 and collapsed_units(faint).tolist() == [True, True, False, False]


def test_rates_are_the_divergences_in_closed_form():
    mean, scale = MIXED.mean[0], np.exp(MIXED.log_scale[0])
    np.testing.assert_allclose(MIXED.rates[0], 0.5 * (mean**2 + scale**2 - 1) - np.log(scale), rtol=1e-10, atol=1e-12)


def test_an_aggregate_that_is_the_prior_is_at_the_floor_and_others_are_far():
    """N(a x, 1 - a^2) over Gaussian x is the prior again."""
    a = np.array([0.9, 0.2, 0.0, -0.6])
    right = Posteriors(a * RNG.standard_normal((N, L)), np.broadcast_to(0.5 * np.log1p(-(a**2)), (N, L)))
    here, there = aggregate_mismatch(0, right), aggregate_mismatch(0, MIXED)
    assert here["sliced_w2"] < 2 * here["sliced_w2_floor"] and abs(here["mmd"]) < 2e-3
    assert there["sliced_w2"] > 5 * there["sliced_w2_floor"] and there["mmd"] > 0.02


def test_the_two_terms_and_the_posteriors_are_read_off_the_model():
    encoder = nets.Net(lambda key, *a: (), lambda params, x, cond=None: jnp.concatenate([0.5 * x[:1], -0.4 * jnp.ones(1)]))
    decoder = nets.Net(lambda key, *a: (), lambda params, z, cond=None: jnp.concatenate([z, 0 * z, jnp.full(2, -0.3)]))
    model, params = Model(bases.latent_and_noise((1,), (2,)), T.gaussian_decoder(decoder, encoder)), {"decoder": (), "encoder": ()}
    x = RNG.standard_normal((250, 2)).astype(np.float32)
    rate, distortion = rate_and_distortion(jax.random.key(0), model, params, x, num_draws=200)
    q = posteriors(model, params, x)
    np.testing.assert_allclose(q.mean, 0.5 * x[:, :1], rtol=1e-5)
    np.testing.assert_allclose(rate, q.rates.sum(1).mean(), rtol=1e-4)
    # E (x_0 - z)^2 over z ~ q in closed form; the limits on scales are the identity up to a thousandth.
    squares = (x[:, 0] - q.mean[:, 0]) ** 2 + np.exp(2 * q.log_scale[:, 0]) + x[:, 1] ** 2
    np.testing.assert_allclose(distortion, np.mean(0.5 * squares * np.exp(0.6) - 0.6 + np.log(2 * np.pi)), rtol=5e-3)
    with pytest.raises(ValueError, match="accepted: one with encode"):
        posteriors(Model(bases.normal((2,)), T.flip()), (), x)
