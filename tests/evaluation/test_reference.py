"""Which events of the test part are looked at when not all are."""

import numpy as np
import pytest

from jaxgen.data import Dataset, Units
from jaxgen.evaluation import mmd, reference, reference_of, sliced_w2


def test_some_of_a_sorted_test_set_are_a_fair_share_with_their_conditions():
    x = np.arange(1000, dtype=np.float32)[:, None] / 1000
    units = Units(loc=np.array([5.0]), scale=np.array([2.0]), cond_loc=np.array([1.0]), cond_scale=np.array([3.0]))
    real = reference_of(Dataset("sorted", x, x, x, train_cond=x, valid_cond=x, test_cond=x, units=units), 200, 0)
    assert real.x.shape == (200, 1) and real.x.dtype == np.float32
    np.testing.assert_allclose(real.cond, 1 + 3 * (real.x - 5) / 2, atol=1e-5)
    assert abs(real.x.mean() - 6) < 0.15 and np.ptp(real.x) > 1.9
    # The sample that the floors are of is drawn from all of the training part: the head of a sorted one would be 0.8 away.
    assert real.floors["sliced_w2_floor"] < 0.2


def test_the_floors_are_the_distances_of_the_two_real_samples():
    x = np.random.default_rng(0).standard_normal((60, 2, 2))
    again = np.random.default_rng(1).permutation(x) + 1.5
    real = reference(x, again, seed=3, max_points=60)
    flat, other = x.reshape(60, 4), again.reshape(60, 4)
    assert real.floors["w2_floor"] == pytest.approx(3.0)
    assert real.floors["sliced_w2_floor"] == pytest.approx(sliced_w2(other, flat, 3))
    assert real.floors["mmd_floor"] == pytest.approx(mmd(other, flat, seed=3)) and real.floors["mmd_floor"] > 0.1
    known = reference(x[:, 0], again[:, 0], log_prob=lambda x: -0.5 * (x**2).sum())
    np.testing.assert_allclose(known.true_log_prob, -0.5 * np.square(x[:, 0]).sum(1), rtol=1e-5)
