"""How results become text, and which of them are called best."""

import math

import pytest

from jaxgen.viz.table import COLUMNS, best_values, cells, failed


def _cell(result, field, best=None):
    return cells(result, best or {})[[column.field for column in COLUMNS].index(field)]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("num_params", 25_012, "25,012"),
        ("nll", -0.1234, "−0.123"),
        ("mmd", -3.14e-4, "−3.1e−4"),
        ("mmd", 2.0e-12, "2.0e−12"),
        ("mmd", 0.0, "0"),
        ("mode_coverage", 0.875, "88 %"),
        ("samples_per_second", 1_730_000.0, "1.73 M"),
        ("samples_per_second", 23_100.0, "23.1 k"),
        ("nfe", 1_000, "1,000"),
        ("train_seconds", 12.345, "12.3 s"),
        ("nll_kind", "LOWER_BOUND", "lower bound"),
        ("nll", math.nan, "not finite"),
        ("nll", None, "–"),
        ("nfe", "adaptive", "adaptive"),
    ],
)
def test_values_as_text(field, value, text):
    assert _cell({field: value}, field).text == text


def test_errors_and_floors_stand_beside_their_values():
    result = {"nll": 1.2, "nll_stderr": 0.0061, "sliced_w2": 0.041, "sliced_w2_floor": 0.02, "w2": None, "w2_floor": 0.1}
    assert _cell(result, "nll").faint == "± 0.006"
    assert _cell(result, "sliced_w2").faint == "/ 0.020"
    assert _cell(result, "w2").faint == ""


def test_numbers_sort_as_numbers_and_holes_have_no_place():
    assert float(_cell({"nll": -0.5}, "nll").order) == -0.5
    assert _cell({"nll": None}, "nll").order == _cell({"nll": math.inf}, "nll").order == ""


def test_the_best_is_the_lowest_of_what_may_be_compared():
    bound = {"nll": 0.9, "nll_kind": "lower_bound", "sliced_w2": 0.03}
    exact = {"nll": 1.2, "nll_kind": "exact", "sliced_w2": 0.05, "status": "ok"}
    broken = {"nll": 0.1, "nll_kind": "exact", "sliced_w2": 0.001, "status": "failed: below the entropy"}
    best = best_values([bound, exact, broken, {"nll": math.nan, "nll_kind": "exact"}, {}])
    assert best == {"nll": 1.2, "sliced_w2": 0.03}
    assert [_cell(result, "nll", best).best for result in (bound, exact, broken)] == [False, True, False]
    assert [_cell(result, "sliced_w2", best).best for result in (bound, exact, broken)] == [True, False, False]
    assert [failed(result) for result in (bound, exact, broken)] == [False, False, True]
