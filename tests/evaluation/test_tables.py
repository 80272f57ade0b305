"""The errors of a table against numbers that are known: by hand, by a shift, by copying, and by data in the place of samples."""

import numpy as np
import pytest

from jaxgen.data import Column, Schema
from jaxgen.evaluation import floor_of, table_errors, table_figures

SCHEMA = Schema(
    (
        Column("x", "number"),
        Column("y", "number", missing=True),
        Column("c", "category", ("a", "b", "c")),
        Column("g", "category", ("u", "v", ""), missing=True),
    )
)


def rows(num, seed, shift=0.0, link=0.8, share=0.2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=num)
    y = np.where(rng.uniform(size=num) < share, np.nan, link * x + np.sqrt(1 - link**2) * rng.normal(size=num))
    c = (x > 0) + (rng.uniform(size=num) < 0.3)
    return np.stack([x + shift, y, c, rng.choice(3, num, p=[0.5, 0.5 - share, share])], 1)


TRAIN, TEST = rows(900, 0), rows(300, 1)


def test_data_in_the_place_of_samples_has_small_errors_and_nobody_tells_it_apart():
    errors = table_errors(rows(300, 2), TEST, TRAIN, SCHEMA)
    assert set(errors.shapes) == {"x", "y", "c", "g"} and set(errors.gaps) == {"y", "g"} and len(errors.trends) == 6
    assert max(errors.shapes.values()) < 0.12 and max(errors.trends.values()) < 0.2 and max(errors.gaps.values()) < 0.1
    assert abs(errors.detection - 0.5) < 0.1 and errors.copies < 0.02
    floor = floor_of(TEST, TRAIN, SCHEMA)
    assert abs(errors.closest / floor.closest - 1) < 0.2 and floor.copies < 0.02


def test_equal_tables_and_disjoint_ones_are_the_ends_of_the_scale():
    same = table_errors(TEST, TEST, TRAIN, SCHEMA)
    assert max([*same.shapes.values(), *same.gaps.values(), *same.trends.values()]) < 1e-12
    far = TEST + np.array([100.0, 0, 0, 0])
    apart = table_errors(far, TEST, TRAIN, SCHEMA)
    assert apart.shapes["x"] == 1 and apart.trends["x", "c"] > 0.7 and apart.detection > 0.95
    # A correlation does not see a shift.
    assert apart.trends["x", "y"] < 1e-9 and apart.closest > 50


def test_a_turned_correlation_is_half_its_difference():
    turned = table_errors(rows(4_000, 3, link=-0.8, share=0.0), rows(4_000, 4, share=0.0), TRAIN, SCHEMA)
    assert abs(turned.trends["x", "y"] - 0.8) < 0.03


def test_shapes_and_contingency_by_hand():
    schema = Schema((Column("c", "category", ("a", "b", "")), Column("n", "number")))
    schema = schema._replace(event=(schema.event[0]._replace(missing=True), schema.event[1]))
    real = np.array([[0, 0.0], [0, 1.0], [1, 2.0], [2, 3.0]])
    samples = np.array([[0, 0.0], [1, 0.0], [1, 3.0], [1, 3.0]])
    errors = table_errors(samples, real, real, schema)
    # Labels: 2/3, 1/3 against 1/4, 3/4 without the missing one. Numbers: distribution functions 1/4, 1/2, 3/4, 1 against 1/2, 1/2, 1/2, 1.
    assert errors.shapes == {"c": pytest.approx(2 / 3 - 1 / 4), "n": 0.25} and errors.gaps == {"c": 0.25}
    # Cells (a, 0), (a, 1), (b, 2), (missing, 3) with 1/4 each, against (a, 0) 1/4, (b, 0) 1/4, (b, 3) 1/2.
    assert errors.trends == {("c", "n"): pytest.approx(0.75)}
    assert np.isnan(errors.detection)


def test_distances_to_records_by_hand():
    """Another label is at distance 1, a number by its standard deviations, a gap beside the mean at distance 1 from it: each in turn."""
    schema = Schema((Column("n", "number", missing=True), Column("c", "category", ("a", "b", "c"))))
    train = np.array([[0.0, 0], [10.0, 0]])  # mean 5, deviation 5
    for row, distance in (([0.0, 0], 0.0), ([10.0, 2], 1.0), ([2.5, 0], 0.5), ([20.0, 1], np.sqrt(5)), ([np.nan, 0], np.sqrt(2))):
        errors = table_errors(np.array([row]), train, train, schema)
        assert errors.closest == pytest.approx(distance) and errors.copies == (distance == 0)


def test_repeated_records_are_seen():
    figures = table_figures(TRAIN[:300], TEST, TRAIN, SCHEMA)
    assert figures["copies"] == 1 and figures["copies_floor"] < 0.02 and figures["closest_record"] < 0.1 * figures["closest_record_floor"]
    assert set(figures["columns"]["y"]) == {"shape_error", "floor", "gap_error"} and len(figures["pairs"]) == 6


def test_a_table_of_other_columns_is_refused():
    with pytest.raises(ValueError, match=r"table_errors: samples of shape \(300, 3\); accepted: \(n, 4\)"):
        table_errors(TEST[:, :3], TEST, TRAIN, SCHEMA)
