"""The effect of a change over seeds: its mean, an interval that covers, a p-value that is uniform without an effect."""

import numpy as np
import pytest
import scipy.stats

from jaxgen.studies import paired


def test_the_interval_covers_and_the_p_value_is_uniform_without_an_effect():
    rng = np.random.default_rng(0)
    seeds = rng.normal(3.0, 5.0, (2_000, 5, 1)) + rng.normal(0.0, 1.0, (2_000, 5, 2))
    effects = [paired(pair[:, 0], pair[:, 1] + 0.7) for pair in seeds]
    covered = np.mean([e.low < 0.7 < e.high for e in effects])
    assert 0.935 < covered < 0.965
    p = [paired(pair[:, 0], pair[:, 1]).p for pair in seeds]
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01


def test_a_ratio_is_the_geometric_mean_and_does_not_depend_on_units():
    before, after = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.5, 4.0])
    effect, scaled = paired(before, after, ratio=True), paired(before * 100, after * 100, ratio=True)
    assert effect.mean == pytest.approx((0.5 * 0.25 * 1.0) ** (1 / 3))
    np.testing.assert_allclose(effect, scaled, rtol=1e-12)
    assert effect.low < effect.mean < effect.high
    assert paired(after, before, ratio=True).mean == pytest.approx(1 / effect.mean)


def test_the_sign_is_after_minus_before_and_equal_differences_have_no_width():
    assert paired([1.0, 2.0], [3.0, 4.0]) == (2.0, 2.0, 2.0, 0.0, 2)
    assert paired([1.0, 2.0], [1.0, 2.0]).p == 1.0


@pytest.mark.parametrize(
    ("before", "after", "ratio", "text"),
    [
        ([1.0], [1.0], False, "n at least 2"),
        ([1.0, 2.0], [1.0], False, "accepted: one shape"),
        ([1.0, np.nan], [1.0, 2.0], False, "accepted: finite numbers"),
        ([1.0, 0.0], [1.0, 2.0], True, "finite numbers above 0"),
    ],
)
def test_what_has_no_effect_is_refused(before, after, ratio, text):
    with pytest.raises(ValueError, match=text):
        paired(before, after, ratio=ratio)
