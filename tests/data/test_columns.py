"""What a column is found to be, and that its cells come back from its numbers."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgen.data import DataError, Schema
from jaxgen.data.cells import date_of, label_of, number_of
from jaxgen.data.columns import find_column
from jaxgen.data.schema import features, table_of
from jaxgen.data.tables import Unusable


def cells(*values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


@pytest.mark.parametrize(
    ("values", "as_kind", "kind", "back"),
    [
        (np.array([1.5, 2.0, -3.0]), None, "number", [1.5, 2.0, -3.0]),
        (np.array([1.0, 2.0, -3.0]), None, "integer", [1, 2, -3]),
        (np.array([1.0, 2.0, 1.0]), "category", "category", ["1", "2", "1"]),
        (np.array([True, False]), None, "category", ["True", "False"]),
        (cells("b", "a", "b"), None, "category", ["b", "a", "b"]),
        (cells("b", None, "b"), None, "category", ["b", None, "b"]),
        (cells("2024-02-29", "2024-02-28"), None, "date", ["2024-02-29", "2024-02-28"]),
        (cells("29.02.2024", None, "1.3.2024"), "date", "date", ["2024-02-29", "NaT", "2024-03-01"]),
        (cells("2024-02-29T12:00:01", "2024-02-28"), None, "time", ["2024-02-29T12:00:01", "2024-02-28T00:00:00"]),
        (np.array(["2024-02-29", "NaT", "1960-01-01"], "M8[ns]"), None, "date", ["2024-02-29", "NaT", "1960-01-01"]),
        (np.array([np.nan, 2.0, 3.0]), None, "integer", [np.nan, 2, 3]),
        (np.array([4.5, 4.5]), None, "constant", None),
        (cells("x", "x"), None, "constant", None),
    ],
)
def test_a_column_is_found_and_its_cells_come_back(values, as_kind, kind, back):
    column, numbers = find_column("c", values, as_kind)
    assert column.kind == kind and numbers.dtype == np.float64
    if back is not None:
        found = column.cells(numbers).tolist() if kind not in ("date", "time") else column.cells(numbers).astype(str).tolist()
        assert str(found) == str([type(f)(b) if isinstance(b, int | float) else b for f, b in zip(found, back, strict=True)])
        # A stored column reads the same cells as the same numbers.
        stored = Schema.from_json(json.loads(json.dumps(Schema((column,)).as_json()))).event[0]
        assert stored == column and np.array_equal(stored.numbers(values), numbers, equal_nan=True)


@pytest.mark.parametrize(
    ("values", "as_kind", "match"),
    [
        (cells("1", "2", "3x"), None, "row 3, column 'c': '3x' is not a number"),
        (cells("a", "2024-01-01"), "date", "row 1, column 'c': 'a' is no date"),
        (cells("01/02/2024", "01/02/2023"), "date", "column 'c' has dates such as '01/02/2024', and no cell says"),
        (cells("2024-02-30", "2024-01-01"), "date", "'2024-02-30' is no date"),
        (cells(*map(str, "abcdefghijklmnopqrstuvwxyz")), None, "26 different texts in 26 rows"),
        (np.array([np.nan, np.nan]), None, "has no values"),
        (np.array([1.0, np.nan]), None, "is constant"),
        (np.array([1.0, np.inf]), None, "row 2, column 'c': the value is infinite"),
        (cells(None, None), None, "has no values"),
    ],
)
def test_a_column_that_cannot_be_used_says_why(values, as_kind, match):
    with pytest.raises(DataError, match=match):
        find_column("c", values, as_kind)


@pytest.mark.parametrize(
    ("known", "new", "match"),
    [
        (np.array([1.0, 2.0]), np.array([1.5]), "row 1, column 'c': 1.5; accepted: a whole number"),
        (np.array([1.0, 2.5]), np.array([np.nan]), "row 1, column 'c': the value is missing"),
        (np.array([1.0, 2.5]), cells("7", "x"), "row 2, column 'c': 'x' is not a number"),
        (cells("a", "b"), cells("a", "z"), "row 2, column 'c': unseen category 'z'; accepted: 'a', 'b'"),
        (cells("a", "b"), cells("a", None), "row 2, column 'c': the category is missing"),
        (cells("2024-01-01", "2024-01-03"), cells("yesterday"), "row 1, column 'c': 'yesterday' is no date"),
        (cells("2024-01-01", "2024-01-03"), cells("2024-01-01T06:00"), "row 1, column 'c': 0.25; accepted: a whole number"),
    ],
)
def test_a_new_file_is_held_to_the_stored_column(known, new, match):
    column, _ = find_column("c", known)
    with pytest.raises(DataError, match=match):
        column.numbers(new)


def test_a_schema_finds_its_columns_by_name_and_names_all_that_are_wrong():
    (a, _), (b, _) = find_column("a", np.array([0.5, 2.0])), find_column("b", cells("x", "y"))
    schema = Schema((a, b), order=("b", "a"))
    table = table_of({"z": [0, 0], "b": ["y", "x"], "a": [7.0, 8.0]}, "new.csv")
    assert schema.encode(table).tolist() == [[7, 1], [8, 0]]
    assert {name: v.tolist() for name, v in schema.rows([[7, 1], [8, 0]]).items()} == {"b": ["y", "x"], "a": [7, 8]}
    with pytest.raises(DataError, match=r"new\.csv: has no column 'a'; accepted: a table with the columns 'a', 'b'"):
        schema.encode(table_of({"b": ["y"], "c": [1.0]}, "new.csv"))
    with pytest.raises(DataError, match=r"new\.csv: 2 columns cannot be used: row 1, column 'a'.*row 1, column 'b': unseen category 'q'"):
        schema.encode(table_of({"b": ["q"], "a": ["?"]}, "new.csv"))
    with pytest.raises(DataError, match="accepted: a condition for each event"):
        Schema((a,), (b,)).rows([[1.0], [2.0]], table_of({"b": ["x"]}, "cond"))


def test_a_condition_with_gaps_has_an_indicator():
    column, numbers = find_column("c", np.array([1.0, np.nan, 4.0]))
    assert features(column, numbers).tolist() == [[1, 0], [2.5, 1], [4, 0]]


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60))
def test_numbers_are_read_as_python_writes_them(value):
    assert number_of(repr(value)) == float(value) and number_of(f" {value} ") == float(value)


@settings(max_examples=100, deadline=None)
@given(st.datetimes())
def test_dates_are_read_as_python_writes_them(moment):
    moment = moment.replace(microsecond=0)
    assert date_of(moment.isoformat()).astype(object) == moment and date_of(str(moment)).astype(object) == moment
    assert str(date_of(f"{moment.day}.{moment.month}.{moment.year:04d}").astype("M8[D]")) == moment.date().isoformat()


@pytest.mark.parametrize("text", ["1_0", "", "1,0", "0x10", "١", "1e", "--1", "1 0", "infinit", "nanx"])
def test_what_is_no_number(text):
    assert number_of(text) is None


def test_labels_of_numbers_have_no_decimal_point():
    assert [label_of(v) for v in (2.0, "2.0", "02", " red", True, None, np.nan, "NA", 2.5)] == [
        "2", "2", "2", "red", "True", "", "", "", "2.5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["05/31/2024", "06/01/2024 12:00"], "2024-05-31"),
        (["31/05/2024", "01/06/2024", None], "2024-05-31"),
        (["2024/05/31", "2024/06/01"], "2024-05-31"),
    ],
)
def test_dates_with_slashes_are_read_in_the_order_that_a_day_above_12_shows(cells, first):
    column, days = find_column("when", np.array(cells, object))
    assert column.origin == first and days[1] == (1.5 if "12:00" in cells[1] else 1.0)
    again = Schema.from_json(Schema((column,)).as_json()).event[0]
    # A later file is read in the same order, although nothing in it says so.
    later = ["06/02/2024"] if column.month_first else ["02/06/2024"] if column.month_first is False else ["2024/06/02"]
    np.testing.assert_array_equal(again.numbers(np.array(later, object)), [2.0])


@pytest.mark.parametrize(("cells", "match"), [(["05/06/2024", "01/02/2024"], "no cell says"), (["31/05/2024", "05/31/2024"], "some cells")])
def test_dates_with_slashes_that_may_be_read_in_two_ways_are_refused(cells, match):
    with pytest.raises(Unusable, match=f"column 'when' has dates such as .*{match}.*; accepted: 2024-05-31"):
        find_column("when", np.array(cells, object))
