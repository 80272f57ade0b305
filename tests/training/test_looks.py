"""At which steps a training looks at its validation loss, and where its chunks end."""

import numpy as np
import pytest

from jaxgen.training.looks import end_of_chunk, look_steps


@pytest.mark.parametrize("num_steps", [1, 4, 5, 6, 100, 3_000, 20_000])
def test_the_grid_is_geometric_and_a_step_is_found_within_a_tenth(num_steps):
    looks = look_steps(num_steps)
    assert looks[-1] == num_steps and np.all(np.diff(looks) > 0) and len(looks) < 90
    for best in (20, 150, 2_000, num_steps):
        nearest = min(looks, key=lambda step: abs(step - best))
        assert best > num_steps or abs(nearest - best) <= max(2.5, 0.06 * best)


def test_a_large_held_out_set_is_looked_at_less_often():
    """10,000 events are 13 steps of 256 with their gradients: every 65 steps at first, where they take a fifth of the work."""
    looks = look_steps(3_000, num_events=10_000, batch_size=256)
    assert looks[:3] == (65, 130, 195) and np.all(np.diff(looks)[:-1] >= 65)
    assert len(looks) * 10_000 / (3 * 256) < 0.2 * 3_000


def test_chunks_end_at_every_look_and_are_never_longer_than_asked():
    for looks in (look_steps(777), look_steps(777, 50)):
        ends = [0]
        while ends[-1] < 777:
            ends.append(end_of_chunk(ends[-1], 40, looks))
        assert set(looks) <= set(ends) and max(np.diff(ends)) <= 40
