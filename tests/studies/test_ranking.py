"""Ranks are earned: only a paired difference beyond chance orders two models."""

import math

import numpy as np
import pytest
import scipy.stats

from jaxgen.studies import paired, ranking

RNG = np.random.default_rng(0)


def seeds(values):
    return dict(enumerate(values))


def test_equal_models_share_the_first_rank_in_all_but_one_of_twenty_leaderboards():
    wrong = 0
    for _ in range(200):
        noise = RNG.standard_normal(5)  # the seed's own luck, which all models share
        places = ranking({name: seeds(noise + 0.3 * RNG.standard_normal(5)) for name in "abcd"})
        wrong += any(place.rank > 1 for place in places)
    assert wrong / 200 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_what_the_seeds_share_does_not_hide_an_order():
    """Seeds differ by far more than models; the paired test sees the models."""
    luck = 10 * RNG.standard_normal(6)
    figures = {name: seeds(luck + shift + 0.01 * RNG.standard_normal(6)) for name, shift in (("a", 0.0), ("b", 0.1), ("c", 0.2))}
    places = ranking(figures)
    assert [(place.name, place.rank) for place in places] == [("a", 1), ("b", 2), ("c", 3)]
    assert places[0].high > places[2].low  # although the intervals of the means overlap widely
    assert ranking(dict(reversed(figures.items()))) == places


def test_intervals_are_students():
    values = RNG.standard_normal(7)
    (place,) = ranking({"a": seeds(values)}, confidence=0.9)
    low, high = scipy.stats.t.interval(0.9, 6, values.mean(), scipy.stats.sem(values))
    np.testing.assert_allclose([place.mean, place.low, place.high], [values.mean(), low, high])
    assert place.seeds == 7


def test_two_models_are_ordered_exactly_when_the_paired_test_says_so():
    a = seeds(RNG.standard_normal(5))
    for shift in (0.0, 0.2, 0.5, 1.0, 2.0):
        b = seeds(np.array(list(a.values())) + shift + 0.5 * RNG.standard_normal(5))
        (first, second) = ranking({"a": a, "b": b})
        better, other = (a, b) if first.name == "a" else (b, a)
        assert (second.rank == 2) == (paired(list(better.values()), list(other.values())).p <= 0.05) and first.rank == 1


def test_seeds_that_only_one_has_order_nothing():
    few = ranking({"a": {0: 1.0}, "b": {0: 2.0}, "c": {1: 3.0, 2: 3.1}})
    assert [place.rank for place in few] == [1, 1, 1] and math.isnan(few[0].low)


def test_a_figure_that_is_no_number_is_refused_by_name():
    with pytest.raises(ValueError, match=r"figures\['b'\].*accepted: a finite number"):
        ranking({"a": {0: 1.0}, "b": {0: math.nan}})
