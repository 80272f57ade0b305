"""A user's table: what is refused and how it is said, what is chosen, and that nothing is lost in splitting and standardising."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxgen.data
from jaxgen.data import DataError
from jaxgen.data.files import share

ROWS = 40
VALUES = np.random.default_rng(0).normal(size=(ROWS, 4)) * [1, 100, 1e-3, 5] + [0, -50, 7, 1e4]


def with_cell(row, column, value):
    values = VALUES.copy()
    values[row, column] = value
    return values


def with_column(column, values):
    changed = VALUES.copy()
    changed[:, column] = values
    return changed


def save(path, values):
    if path.suffix == ".csv":
        path.write_text("a,b,c,d\n" + "\n".join(",".join(map(repr, map(float, row))) for row in values))
    else:
        np.save(path, values)
    return path


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (with_cell(0, 0, np.inf), r"row 1, column '{0}': the value is infinite"),
        (with_cell(ROWS - 1, 3, -np.inf), rf"row {ROWS}, column '{{3}}': the value is infinite"),
        (with_column(2, np.nan), "column '{2}' has no values"),
        (with_cell(5, 2, 1e300), "column '{2}' has no usable standard deviation"),
        (VALUES[:9], "has 9 rows; accepted: at least 10"),
        (VALUES[:0], "has no rows"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_unusable_values_are_named(tmp_path, values, match, suffix):
    path = save(tmp_path / f"table{suffix}", values)
    names = "abcd" if suffix == ".csv" else "0123"
    for j, name in enumerate(names):
        match = match.replace(f"{{{j}}}", name)
    with pytest.raises(DataError, match=rf"table\{suffix}: {match}"):
        jaxgen.data.load(path)


def test_a_gap_stays_a_gap_and_a_constant_column_comes_back(tmp_path):
    values = with_cell(3, 1, np.nan)
    values[:, 2] = 0.1
    data = jaxgen.data.load(save(tmp_path / "t.csv", values))
    assert data.columns == ("a", "b", "d") and [c.name for c in data.schema.constant] == ["c"]
    everything = np.concatenate([data.train, data.valid, data.test])
    assert np.isnan(everything).sum() == 1 and np.isnan(everything[:, 1]).any()
    # Means and deviations are those of the rows that are there.
    assert np.isfinite(data.units.loc).all() and abs(np.nanmean(data.train[:, 1])) < 1e-6
    back = data.table(everything)
    assert list(back) == ["a", "b", "c", "d"] and (back["c"] == 0.1).all()


def test_one_message_lists_every_column_that_cannot_be_used(tmp_path):
    rows = [f"person {i},{'inf' if i == 7 else i},{i if i else '12x'},{i},{'x' if i % 2 else 'y'}" for i in range(30)]
    (tmp_path / "t.csv").write_text("name,speed,size,number,letter\n" + "\n".join(rows))
    with pytest.raises(DataError) as caught:
        jaxgen.data.load(tmp_path / "t.csv")
    message = str(caught.value)
    assert "\n" not in message and "3 columns cannot be used" in message and "number" in message
    for part in (
        "'name' has 30 different texts",
        "row 8, column 'speed': the value is infinite",
        "row 1, column 'size': '12x' is not a number",
    ):
        assert part in message, message
    assert message.endswith("(--discrete).")
    assert jaxgen.data.load(tmp_path / "t.csv", drop=["name", "speed", "size"]).columns == ("number", "letter")


def test_a_column_that_varies_in_held_out_rows_only(tmp_path):
    held_out = share(ROWS, 0, {})["test"]
    values = with_column(1, 3.0)
    values[held_out[0], 1] = 4.0
    with pytest.raises(DataError, match="column 'b' is constant \\(3\\) in the 32 training rows"):
        jaxgen.data.load(save(tmp_path / "t.csv", values))


def test_a_held_out_value_beyond_single_precision(tmp_path):
    row = share(ROWS, 0, {})["valid"][0]
    with pytest.raises(DataError, match=rf"row {row + 1}, column 'a': 1e\+100 is too far"):
        jaxgen.data.load(save(tmp_path / "t.csv", with_cell(row, 0, 1e100)))


def test_no_columns(tmp_path):
    np.save(tmp_path / "t.npy", np.zeros((20, 0)))
    with pytest.raises(DataError, match="t.npy: no column is left"):
        jaxgen.data.load(tmp_path / "t.npy")


@pytest.mark.parametrize(
    ("choice", "match"),
    [
        ({"columns": ["z"]}, "columns: no column 'z'; accepted: a name among 'a', 'b', 'c', 'd' or an index from 0 to 3"),
        ({"columns": [4]}, "columns: no column 4"),
        ({"columns": [-1]}, "columns: no column -1"),
        ({"cond_columns": ["4"]}, "cond_columns: no column '4'"),
        ({"columns": [True]}, "columns: no column True"),
        ({"columns": ["a", 0]}, "columns: column 'a' is chosen twice"),
        ({"columns": ["a", "b"], "cond_columns": [1]}, "column 'b' is in columns and in cond_columns"),
        ({"columns": []}, "no column is left"),
        ({"cond_columns": range(4)}, "no column is left"),
    ],
)
def test_choices_that_cannot_be(tmp_path, choice, match):
    with pytest.raises(DataError, match=match):
        jaxgen.data.load(save(tmp_path / "t.csv", VALUES), **choice)


@pytest.mark.parametrize(
    ("choice", "event", "cond"),
    [
        ({}, [0, 1, 2, 3], []),
        ({"columns": ["d", 0]}, [3, 0], []),
        ({"columns": "b"}, [1], []),
        ({"cond_columns": ["c"]}, [0, 1, 3], [2]),
        ({"columns": ["1"], "cond_columns": (3, "a")}, [1], [3, 0]),
    ],
)
def test_columns_come_in_the_order_asked_for_and_units_bring_them_back(tmp_path, choice, event, cond):
    """Every row is in one split, event and condition stay together, and loc + scale * standardised is the original."""
    data = jaxgen.data.load(save(tmp_path / "t.csv", VALUES), **choice)
    assert data.name == "t" and data.columns == tuple("abcd"[j] for j in event) and data.cond_names == tuple("abcd"[j] for j in cond)
    assert [len(data.split(which).x) for which in ("train", "valid", "test")] == [32, 4, 4]
    assert data.train.dtype == np.float32 and data.log_prob is None
    restored = data.units.restore(np.concatenate([data.train, data.valid, data.test]))
    rows = np.argmin(np.abs(restored[:, :1] - VALUES[:, event[0]]), axis=1)
    assert sorted(rows) == list(range(ROWS))
    assert np.all(np.abs(restored - VALUES[rows][:, event]) <= 1e-6 * data.units.scale)
    np.testing.assert_allclose(data.train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(data.train.std(axis=0), 1, atol=1e-6)
    if not cond:
        assert data.train_cond is None and data.units.cond_loc is None
        return
    condition = np.concatenate([data.train_cond, data.valid_cond, data.test_cond])
    assert condition.dtype == np.float32
    np.testing.assert_allclose(data.train_cond.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(data.train_cond.std(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(data.units.cond_loc + data.units.cond_scale * condition, VALUES[rows][:, cond], rtol=1e-6, atol=1e-5)


def test_a_condition_in_its_own_array(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, x=VALUES[:, :3], cond=VALUES[:, 3:])
    data = jaxgen.data.load(path)
    assert (data.event_shape, data.cond_shape, data.cond_names) == ((3,), (1,), ("cond0",))
    apart = jaxgen.data.load(save(tmp_path / "t.csv", VALUES), cond_columns=["d"])
    assert np.array_equal(data.train, apart.train) and np.array_equal(data.test_cond, apart.test_cond)
    with pytest.raises(DataError, match="array cond; leave it out"):
        jaxgen.data.load(path, cond_columns=[0])
    np.savez(path, x=VALUES[:, :3], cond=with_cell(2, 3, np.inf)[:, 3:])
    with pytest.raises(DataError, match="row 3, column 'cond0'"):
        jaxgen.data.load(path)


def test_a_seed_fixes_the_split(tmp_path):
    path = save(tmp_path / "t.npy", VALUES)
    first, again, other = (jaxgen.data.load(path, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.train, again.train) and np.array_equal(first.test, again.test)
    assert not np.array_equal(first.units.restore(first.test), other.units.restore(other.test))
    small = jaxgen.data.load(path, num_train=20, num_test=2)
    assert [len(small.train), len(small.valid), len(small.test)] == [20, 4, 2]


@settings(max_examples=50, deadline=None)
@given(total=st.integers(10, 5_000), seed=st.integers(0, 2**40))
def test_shares_are_disjoint_and_complete(total, seed):
    parts = share(total, seed, {})
    assert sorted(np.concatenate(list(parts.values()))) == list(range(total))
    assert all(abs(len(parts[which]) - total / 10) <= 0.5 for which in ("valid", "test"))
    assert np.array_equal(share(total, seed, {"train": 3})["train"], parts["train"][:3])
