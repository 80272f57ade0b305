"""Sets of balls: distances by brute force, separation where there is a gap, and silence where there is none."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from jaxgen import data
from jaxgen.evaluation import bridge


def blobs(seed, gap, n=1_000, d=2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x[:, 0] += gap * (np.arange(n) % 2)
    return x


def test_distance_and_direction_are_those_of_the_union_of_balls():
    rng = np.random.default_rng(0)
    sets = bridge.Sets(rng.normal(size=(40, 3)), rng.integers(0, 3, 40), 0.2)
    x, h = 2 * rng.normal(size=(50, 3)), 1e-6
    for members in ((0,), (1, 2)):
        away, normal = sets.distance(x, members)
        brute = np.maximum(cdist(x, sets.anchors[np.isin(sets.labels, members)]).min(1) - 0.2, 0)
        assert np.allclose(away, brute)
        out = away > 1e-3
        assert np.allclose(np.linalg.norm(normal[out], axis=1), 1)
        slope = [(sets.distance(x + h * step, members)[0] - away) / h for step in np.eye(3)]
        assert np.allclose(np.stack(slope, 1)[out], normal[out], atol=1e-4)
    assert sets.counts(x).sum() >= len(x)


def test_the_gap_of_balls_is_the_distance_of_their_closest_points():
    sets = bridge.balls([[0.0, 0.0], [3.0, 4.0], [0.0, 10.0]], 1.0)
    assert sets.gaps() == pytest.approx([3.0, 3.0, np.sqrt(45) - 2])
    assert sets.gap((0, 1)) == pytest.approx(np.sqrt(45) - 2)


def test_separated_sets_hold_most_of_their_modes_and_leave_a_gap():
    x = blobs(0, 9.0)
    for labels in (None, (x[:, 0] > 4.5).astype(int)):
        sets = bridge.separated_sets(x, labels)
        assert sets.num == 2
        assert sets.gaps().min() > 2 * sets.radius
        assert sets.shares(blobs(1, 9.0))[:2].min() > 0.47


@pytest.mark.parametrize("d", [1, 2, 5])
def test_one_connected_cloud_has_no_clusters(d):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        for x in (rng.normal(size=(600, d)), rng.uniform(size=(600, d)), rng.standard_t(3, size=(600, d))):
            assert bridge.separated_sets(x) is None


def test_touching_squares_become_cores():
    x = data.draw("checkerboard", 0, 4_000)
    labels = data.load("checkerboard", num_train=10, num_valid=10, num_test=10).mode(x)
    sets = bridge.separated_sets(x, labels)
    assert sets.num == 8
    assert sets.gaps().min() >= 2 * sets.radius
    assert sets.shares(x)[-1] < 0.5


def test_labels_of_no_mode_and_modes_too_small_to_speak_of_give_no_sets():
    x = blobs(0, 9.0)
    assert bridge.separated_sets(x, np.zeros(len(x), int)) is None
    assert bridge.separated_sets(x, np.where(np.arange(len(x)) < 5, 1, 0)) is None
    assert bridge.separated_sets(x, np.full(len(x), -1)) is None
    with pytest.raises(ValueError, match="separated_sets: x of shape"):
        bridge.separated_sets(x, np.zeros(3))
