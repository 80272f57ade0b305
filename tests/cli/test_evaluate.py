"""Which events of the test part are looked at when not all are."""

import numpy as np

from jaxgen.cli.evaluate import _reference
from jaxgen.data import Dataset, Units


def test_some_of_a_sorted_test_set_are_a_fair_share_with_their_conditions():
    x = np.arange(1000, dtype=np.float32)[:, None] / 1000
    units = Units(loc=np.array([5.0]), scale=np.array([2.0]), cond_loc=np.array([1.0]), cond_scale=np.array([3.0]))
    real = _reference(Dataset("sorted", x, x, x, train_cond=x, valid_cond=x, test_cond=x, units=units), 200, 0)
    assert real.x.shape == (200, 1) and real.x.dtype == np.float32
    np.testing.assert_allclose(real.cond, 1 + 3 * (real.x - 5) / 2, atol=1e-5)
    assert abs(real.x.mean() - 6) < 0.15 and np.ptp(real.x) > 1.9
    # The sample that the floors are of is drawn from all of the training part: the head of a sorted one would be 0.8 away.
    assert real.floors["sliced_w2_floor"] < 0.2
