"""Random halves are disjoint, of equal size and random; the Frechet ratio of one half is one by construction."""

import numpy as np
import pytest

from jaxgen.evaluation import frechet_of, frechet_ratio, random_halves


@pytest.mark.parametrize(("n", "most", "size"), [(2, None, 1), (9, None, 4), (10, 3, 3), (10, 50, 5)])
def test_halves_are_disjoint_rows_of_equal_size(n, most, size):
    rows = np.arange(3 * n).reshape(n, 3)
    first, second = random_halves(rows, 5, most)
    assert first.shape == second.shape == (size, 3)
    both = np.concatenate([first, second])
    assert len(np.unique(both[:, 0])) == 2 * size and set(both[:, 0]) <= set(rows[:, 0])
    np.testing.assert_array_equal(both - both[:, :1], np.broadcast_to([0, 1, 2], both.shape))


def test_each_row_is_as_often_in_either_half():
    rng = np.random.default_rng(0)
    counts = np.zeros(6)
    for _ in range(2_000):
        counts[random_halves(np.arange(6), rng)[0]] += 1
    # A binomial count of 2,000 draws with probability one half has a standard deviation of 22.
    assert np.abs(counts - 1_000).max() < 4 * 22.4


def test_the_other_half_has_a_frechet_ratio_of_one_and_a_shifted_one_that_of_the_shift():
    real = np.random.default_rng(1).normal(size=(200, 3))
    ratio = frechet_ratio(real, 1_000, num_splits=1, seed=4)
    half, other = random_halves(real, 4)
    assert ratio(other) == pytest.approx(1.0)
    shift = np.array([1.0, 2.0, 2.0])
    assert ratio(half + shift) == pytest.approx(9.0 / frechet_of(half, other))
    # Of more samples than points some are drawn at random, so that sorted ones are no worse or better.
    assert ratio(np.concatenate([other, other + 50])) > 100


def test_a_bad_argument_is_named():
    for call, message in (
        (lambda: random_halves(np.zeros((1, 2))), r"random_halves: rows=\(1, 2\); accepted: an array of at least two rows"),
        (lambda: random_halves(np.zeros(4), most=0), "random_halves: most=0"),
        (lambda: frechet_ratio(np.zeros((9, 2)), 1), "frechet_ratio: num_points=1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
