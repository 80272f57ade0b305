"""Panels that do not overlap, and windows that show what they should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxgen.viz import layout
from jaxgen.viz.layout import Limits


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("slots", [8, 9, 10])
def test_panels_are_square_inside_the_figure_and_apart(count, slots):
    width, height = layout.size(slots)
    boxes = [layout.panel_box(slot, slots) for slot in [*layout.stage_slots(count), *range(layout.STAGE_SLOTS, slots)]]
    for left, bottom, wide, high in boxes:
        assert wide * width == pytest.approx(high * height) == pytest.approx(layout.PANEL)
        assert left > 0 and left + wide < 1 and bottom > 0 and bottom + high < 1
    for (left, _, wide, _), (following, *_) in zip(boxes, boxes[1:], strict=False):
        assert left + wide < following
    assert boxes[0] == layout.panel_box(0, slots) and boxes[count - 1] == layout.panel_box(layout.STAGE_SLOTS - 1, slots)


@given(st.integers(2, 400))
def test_thinning_keeps_the_ends_and_the_order(count):
    kept = layout.thin(count)
    assert kept[0] == 0 and kept[-1] == count - 1
    assert len(kept) == min(count, 5) == len(set(kept)) and kept == sorted(kept)


def test_a_window_is_square_around_the_bulk_and_blind_to_outliers():
    points = np.random.default_rng(0).uniform([-1.0, 4.0], [1.0, 4.5], (5_000, 2))
    points[:5], points[5] = 1e6, np.nan
    window = layout.window(points)
    assert window.x[1] - window.x[0] == pytest.approx(window.y[1] - window.y[0])
    assert window.half == pytest.approx(1.12, rel=0.03)
    assert sum(window.y) / 2 == pytest.approx(4.25, abs=0.02)
    assert layout.window(np.full((3, 2), np.inf)) is None


def test_the_data_window_opens_for_the_stages_but_not_without_end():
    rng = np.random.default_rng(1)
    target = rng.uniform(-1, 1, (2_000, 2))
    alone = layout.data_window(target, []).half
    assert layout.data_window(target, [0.5 * target]).half == pytest.approx(alone)
    assert layout.data_window(target, [1.2 * target]).half == pytest.approx(1.2, rel=0.05)
    assert layout.data_window(target, [80.0 * target]).half == pytest.approx(1.35 * alone)


def test_a_separate_window_only_where_the_shared_one_fails():
    shared, square = Limits((-2.0, 2.0), (-2.0, 2.0)), np.random.default_rng(2).uniform(-1, 1, (4_000, 2))
    assert layout.separate_window(1.9 * square, shared) is None
    assert layout.separate_window(50.0 * square, shared).half > 49
    assert layout.separate_window(0.5 + 0.1 * square, shared).half < 0.2
    assert layout.share_inside(4.0 * square, shared) == pytest.approx(0.25, abs=0.03)
