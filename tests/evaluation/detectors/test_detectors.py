"""Detectors: exact under exchangeability, silent on what is right, and loud on what is broken."""

import numpy as np
import pytest
from scipy.stats import binom

from jaxgen.evaluation import Posteriors, detectors


def rng(seed=0):
    return np.random.default_rng(seed)


def p_values(draw, num=60):
    return np.sort([draw(seed).p for seed in range(num)])


@pytest.mark.parametrize("name", ["coverage", "memorised", "mismatch", "collapse"])
def test_p_values_of_permutations_are_no_smaller_than_uniform_ones(name):
    def draw(seed):
        g = rng(seed)
        if name == "coverage":
            return detectors.lost_coverage(g.normal(size=(100, 2)), g.normal(size=(300, 2)), seed=seed, num_permutations=39)
        if name == "memorised":
            return detectors.memorised(*g.normal(size=(3, 60, 2)), seed=seed, num_permutations=39)
        if name == "mismatch":
            return detectors.latent_mismatch(*g.normal(size=(2, 60, 2)), seed=seed, num_permutations=39)
        return detectors.posterior_collapse(Posteriors(np.zeros((60, 1)), np.zeros((60, 1)) + 0.3), seed=seed, num_permutations=39)

    p = p_values(draw)
    for level in (0.05, 0.1, 0.25, 0.5):
        # The number below a level is at most binomial: one in 1e4 such laws would fail by chance.
        assert np.count_nonzero(p <= level) <= binom.ppf(1 - 1e-4, len(p), level)


def test_a_permutation_p_value_counts_the_observed_arrangement():
    assert detectors.permutation_p(1.0, np.zeros(99)) == 0.01
    assert detectors.permutation_p(0.0, np.zeros(99)) == 1.0


@pytest.mark.parametrize("d", [1, 2, 8])
def test_coverage_measures_the_share_that_is_lost(d):
    real, samples = rng(1).normal(size=(3_000, d)), rng(2).normal(size=(2_000, d))
    whole, half = detectors.lost_coverage(samples, real), detectors.lost_coverage(samples[samples[:, 0] > -0.5], real)
    assert not whole.alarm
    assert abs(whole.effect) < 0.01
    assert half.p <= 0.01
    if d <= 2:  # the lost mass is .31, and its rim is still near samples; the radius grows with d until all of it is
        assert half.alarm
        assert 0.1 < half.effect < 0.33


@pytest.mark.parametrize("d", [2, 5])
def test_a_mode_that_is_missing_is_lost_and_modes_that_are_too_narrow_are_not(d):
    """Half as wide, a mode leaves its rim bare and covers its middle, so that nearly no region of it is bare."""
    g = rng(d)
    angles = np.arange(8) * np.pi / 4
    centres = np.concatenate([10 * np.stack([np.cos(angles), np.sin(angles)], 1), np.zeros((8, d - 2))], 1)
    real = centres[g.integers(8, size=6_000)] + g.normal(size=(6_000, d))
    missing = centres[g.integers(7, size=2_000)] + g.normal(size=(2_000, d))
    narrow = centres[g.integers(8, size=2_000)] + 0.5 * g.normal(size=(2_000, d))
    found = detectors.lost_coverage(missing, real)
    assert found.alarm and 0.06 < found.effect < 0.14
    assert not detectors.lost_coverage(narrow, real).alarm


def test_bridges_over_a_mode_are_no_lost_coverage():
    """A mode that is left out but covered by others is not lost, neither with labels nor without."""
    real = rng(0).normal(size=(3_000, 1)) * 0.3 + rng(1).choice([-1.0, 0.0, 1.0], 3_000)[:, None]
    wide = rng(2).normal(size=(1_000, 1)) * 1.2
    assert not detectors.lost_coverage(wide, real).alarm
    assert not detectors.lost_modes(np.rint(np.clip(wide[:, 0], -1, 1)).astype(int) + 1, [1 / 3] * 3).alarm


def test_lost_modes_are_those_with_too_few_samples():
    labels = rng(0).choice(4, 2_000, p=[0.33, 0.33, 0.33, 0.01])
    finding = detectors.lost_modes(labels, [0.25] * 4)
    assert finding.alarm
    assert finding.text.startswith("modes 3 have")
    assert finding.effect == 1
    assert not detectors.lost_modes(rng(0).choice(4, 2_000), [0.25] * 4).alarm
    assert not detectors.lost_modes([0, 0, 0, 0], [0.9, 0.1]).alarm  # four samples prove nothing


def test_copies_are_memories_and_fresh_draws_are_none():
    train, held_out, fresh = rng(0).normal(size=(3, 500, 3))
    assert detectors.memorised(train + 1e-3, train, held_out).effect > 0.99
    assert detectors.memorised(held_out + 1e-3, train, held_out).effect < 0.01
    assert not detectors.memorised(fresh, train, held_out).alarm


def test_nats_of_a_latent_are_the_mutual_information_of_a_gaussian_channel():
    mean = rng(0).normal(size=(2_000, 1))
    for scale in (1.0, 0.5):
        finding = detectors.posterior_collapse(Posteriors(mean, np.full((2_000, 1), np.log(scale))), most=2_000, num_permutations=19)
        assert finding.effect == pytest.approx(0.5 * np.log(1 + 1 / scale**2), abs=0.05)


def test_a_latent_that_ignores_its_event_has_collapsed_and_one_dead_unit_of_two_is_no_collapse():
    mean = np.concatenate([rng(0).normal(size=(400, 1)), np.zeros((400, 1))], 1)
    log_scale = np.stack([np.full(400, -2.0), np.zeros(400)], 1)
    finding = detectors.posterior_collapse(Posteriors(mean, log_scale))
    assert not finding.alarm
    assert "1 of 2 units are active" in finding.text
    assert detectors.posterior_collapse(Posteriors(0 * mean, 0 * mean)).alarm


def test_the_mismatch_of_latents_is_zero_for_one_distribution_and_one_far_away():
    prior = rng(0).normal(size=(300, 2))
    assert detectors.latent_mismatch(prior + 1e3, prior).effect == pytest.approx(1, abs=0.01)
    assert not detectors.latent_mismatch(rng(1).normal(size=(300, 2)), prior).alarm
    assert detectors.latent_mismatch(0.3 * rng(1).normal(size=(300, 2)), prior).alarm


def test_the_mismatch_is_without_bias_by_hand():
    """Two draws at a distance of 2: within them the mean distance of two different ones is 2, and not 1."""
    assert detectors.latent_mismatch([[0.0], [2.0]], [[1.0], [1.0]]).effect == 0
    assert detectors.latent_mismatch([[0.0], [2.0]], [[5.0], [5.0]]).effect == pytest.approx((8 - 2) / 8)


def test_the_swing_of_noise_is_that_of_the_means_of_its_blocks():
    """Blocks of 50 independent steps have means that deviate by one over the root of 50 of a step's deviation."""
    swings = [detectors.oscillating_loss(rng(seed).normal(size=2_000)).effect for seed in range(40)]
    assert np.mean(swings) == pytest.approx(50**-0.5, rel=0.1)


def test_training_that_swings_or_climbs_is_unstable_and_a_slow_decline_is_not():
    steps = np.arange(2_000)
    noise = rng(0).normal(size=2_000) * 0.1
    decline = 2 * np.exp(-steps / 400)
    assert not any(finding.alarm for finding in detectors.unstable_training({"loss": decline + noise}))
    assert detectors.oscillating_loss(decline + noise + 0.6 * np.sin(steps / 40)).alarm
    assert detectors.diverging_loss(decline + noise + np.maximum(steps - 1_500, 0) / 100).alarm
    assert detectors.diverging_loss(np.where(steps > 1_900, np.nan, decline)).alarm
    assert detectors.oscillating_loss(np.where(steps > 1_900, np.nan, decline)).alarm


def test_a_loss_that_once_leapt_above_its_beginning_has_exploded_even_if_its_end_is_calm():
    noise = rng(0).normal(size=1_000) * 0.1
    steps = np.arange(1_000)
    decline = 3 + 2 * np.exp(-steps / 100)
    assert not detectors.exploding_loss(decline + noise).alarm
    assert not detectors.exploding_loss(np.where(steps == 40, 1e6, decline + noise)).alarm  # a single odd batch
    plateau = np.where(steps < 50, 40.0, 4.5) + noise
    plateau[:5] = 5.0 + noise[:5]
    found = detectors.exploding_loss(plateau)
    assert found.alarm and found.effect == pytest.approx((40 - 5) / 0.5, rel=0.4)
    assert detectors.exploding_loss(np.where(steps == 500, np.nan, decline)).alarm
    assert not detectors.exploding_loss(np.zeros(100)).alarm
    assert not any(detectors.exploding_loss(rng(seed).normal(size=400)).alarm for seed in range(20))


def test_what_the_noise_of_a_flat_loss_gives_back_is_no_divergence():
    """The gain of noise is noise, and so is what it loses again."""
    found = [detectors.diverging_loss(rng(seed).normal(size=400)) for seed in range(20)]
    assert not any(finding.alarm for finding in found) and max(finding.effect for finding in found) > 0.5


def test_a_game_is_judged_by_its_players_and_not_by_the_sum_of_their_losses():
    history = {"loss": np.linspace(0, 9, 200), "generator": np.zeros(200), "critic": np.zeros(200), "accuracy": np.full(200, 0.97)}
    names = {finding.name: finding.alarm for finding in detectors.unstable_training(history)}
    assert names == {"oscillating loss": False, "critic too strong": True}
    assert detectors.unstable_training({"loss": np.zeros(10)}) == []


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="lost_coverage: samples=array of shape"):
        detectors.lost_coverage(np.zeros((5, 2)), np.zeros((500, 2)))
    with pytest.raises(ValueError, match="strong_critic: an array of shape"):
        detectors.strong_critic(np.zeros(3))
