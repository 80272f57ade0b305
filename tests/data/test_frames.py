"""DataFrames go in and come out with the same columns, dtypes and cells; files are written in the formats that are read."""

import builtins

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import jaxgen.data
from jaxgen.data import DataError, MissingExtra, to_frame
from jaxgen.data.frames import fill_frame
from jaxgen.data.readers import read_table
from jaxgen.data.writers import write_columns

ROWS = 40
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(18, 90, ROWS).astype(np.int16),
        "height": RNG.normal(size=ROWS).astype(np.float32),
        "gap": np.where(RNG.uniform(size=ROWS) < 0.3, np.nan, RNG.normal(size=ROWS)),
        "job": pd.Categorical(RNG.choice(["cook", "pilot"], ROWS)),
        "town": RNG.choice(["A", "B", None], ROWS),
        "member": RNG.uniform(size=ROWS) < 0.5,
        "count": pd.array(np.where(RNG.uniform(size=ROWS) < 0.3, -1, 5) * RNG.integers(1, 9, ROWS), "Int64"),
        "joined": pd.to_datetime("2020-02-28") + pd.to_timedelta(RNG.integers(0, 900, ROWS), "D"),
        "unit": ["kg"] * ROWS,
    }
)


@pytest.mark.parametrize("library", ["pandas", "pyarrow", "polars"])
def test_a_frame_comes_back_with_its_columns_and_dtypes(library):
    frame = FRAME if library == "pandas" else pa.Table.from_pandas(FRAME, preserve_index=False)
    frame = pytest.importorskip("polars").from_arrow(frame) if library == "polars" else frame
    data = jaxgen.data.load(frame)
    assert data.schema.frame == library and [c.kind for c in data.schema.event] == [
        "integer", "number", "number", "category", "category", "category", "integer", "date",
    ]  # fmt: skip
    back = to_frame(data.schema, data.schema.encode(jaxgen.data.frames.read_frame(frame)))
    if library == "pandas":
        pd.testing.assert_frame_equal(back, frame)
    else:
        assert type(back) is type(frame) and back.schema == frame.schema if library == "polars" else back.column_names == frame.column_names
        pd.testing.assert_frame_equal(back.to_pandas(), frame.to_pandas(), check_dtype=False, check_categorical=False)
    # Samples are rounded to what the columns hold.
    drawn = to_frame(data.schema, data.units.restore(data.test), library="pandas")
    assert len(drawn) == 4 and set(drawn["job"]) <= {"cook", "pilot"}


def test_conditions_stand_beside_samples_in_the_order_of_the_data():
    data = jaxgen.data.load(FRAME, cond_columns=["age", "town"], drop=["gap", "count"])
    assert data.cond_names == ("age", "town=A", "town=B", "town=missing")
    cond = FRAME.iloc[:4]
    back = to_frame(data.schema, data.units.restore(data.test), cond)
    assert list(back.columns) == ["age", "height", "job", "town", "member", "joined", "unit"]
    pd.testing.assert_series_equal(back["town"], cond["town"])
    pd.testing.assert_series_equal(back["age"], cond["age"])


def test_columns_without_text_for_names():
    data = jaxgen.data.load(pd.DataFrame(RNG.normal(size=(ROWS, 3))))
    assert data.columns == ("0", "1", "2") and data.train.shape == (32, 3)


def test_what_is_no_frame_or_has_no_library(monkeypatch):
    doubled = FRAME[["age", "height"]].set_axis(["a", "a"], axis=1)
    with pytest.raises(DataError, match="different names"):
        jaxgen.data.load(doubled)
    with pytest.raises(DataError, match="load: name_or_path=<ndarray>; accepted: a name, a path or a DataFrame"):
        jaxgen.data.load(np.zeros((20, 2)))
    with pytest.raises(MissingExtra, match="library='nothing'|accepted: a library"):
        to_frame(jaxgen.data.load(FRAME).schema, np.zeros((1, 8)), library="dask")
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("narwhals"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r'narwhals is not installed; accepted: .*pip install "jaxgen\[data\]"'):
        jaxgen.data.load(FRAME)


@pytest.mark.parametrize("dialect", [(",", "."), (";", ","), ("\t", ".")])
def test_a_csv_is_read_as_it_was_written(tmp_path, dialect):
    schema = jaxgen.data.load(FRAME).schema
    rows = schema.rows(schema.encode(jaxgen.data.frames.read_frame(FRAME)))
    write_columns(tmp_path / "t.csv", rows, None, dialect)
    again = jaxgen.data.load(tmp_path / "t.csv").schema
    assert again.dialect == dialect and [c._replace(dtype="") for c in schema.event] == [
        c._replace(low=o.low, high=o.high) for c, o in zip(again.event, schema.event, strict=True)
    ]
    np.testing.assert_allclose(
        again.encode(read_table(str(tmp_path / "t.csv"))), schema.encode(jaxgen.data.frames.read_frame(FRAME)), rtol=1e-8
    )


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet"])
def test_arrays_and_parquet_are_read_as_they_were_written(tmp_path, suffix):
    columns, cond = {"a": np.array([1.5, np.nan]), "b": np.array([1, 2])}, {"c": np.array([7.0, 8.0])}
    path = tmp_path / f"t{suffix}"
    write_columns(path, columns, cond)
    table = read_table(str(path))
    order = ["a", "b"] if suffix == ".npz" else ["c", "a", "b"]
    assert np.array_equal(table.read(range(len(order))), np.stack([{**columns, **cond}[n] for n in order], 1), equal_nan=True)
    assert suffix == ".npy" or list(table.names) == order
    assert suffix != ".npz" or (table.cond.names == ("c",) and table.cond.read([0]).tolist() == [[7], [8]])
    if suffix != ".parquet":
        before = path.read_bytes()
        with pytest.raises(DataError, match="column 't' holds text; accepted: a .csv or .parquet file"):
            write_columns(path, {"t": np.array(["x"])})
        assert path.read_bytes() == before


def test_only_missing_cells_are_filled_and_dtypes_stay():
    """A category, a date that was written as text, a nullable number and a truth value; an arrow table too, which has no index."""
    gone = np.array([False, True, False])
    frame = pd.DataFrame(
        {
            "job": pd.Categorical(["cook", None, "pilot"]),
            "day": ["2020-01-01", None, "2020-01-03"],
            "age": pd.array([40, None, 60], "Int64"),
            "member": np.array([True, None, False], object),
            "height": [1.5, np.nan, 1.7],
        },
        index=[7, 8, 9],
    )
    cells = {
        "job": np.array(["pilot"] * 3, object), "day": np.array(["2021-05-01"] * 3, "M8[D]"), "age": np.array([1, 50, 3]),
        "member": np.array(["True"] * 3, object), "height": np.array([0.0, 1.6, 0.0]),
    }  # fmt: skip
    filled = fill_frame(frame, dict.fromkeys(frame, gone), cells)
    assert filled.dtypes.equals(frame.dtypes) and filled.index.tolist() == [7, 8, 9]
    assert filled.loc[8].tolist() == ["pilot", "2021-05-01", 50, True, 1.6]
    pd.testing.assert_frame_equal(filled[~gone], frame[~gone])
    assert frame.loc[8].isna().all()
    table = pa.table({"age": [40, None, 60]})
    assert fill_frame(table, {"age": gone}, {"age": cells["age"]})["age"].to_pylist() == [40, 50, 60]
