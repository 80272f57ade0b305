"""One format, one table: every reader gives the same numbers, and says what it cannot read."""

import builtins
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxgen.data.tables import DataError, MissingExtra, read_table

VALUES = np.random.default_rng(0).normal(size=(12, 3))


def csv_text(values, header="a,b,c"):
    return "\n".join(([header] if header else []) + [",".join(map(repr, map(float, row))) for row in values]) + "\n"


def write(path, values):
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, anything=values)
    elif path.suffix == ".csv":
        path.write_text(csv_text(values))
    else:
        pq.write_table(pa.table(dict(zip("abc", values.T, strict=True))), path)
    return str(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".parquet", ".CSV"])
@pytest.mark.parametrize("columns", [(0, 1, 2), (2, 0)])
def test_every_format_reads_the_same_table(tmp_path, suffix, columns):
    if suffix == ".CSV":
        (tmp_path / "t.CSV").write_text(csv_text(VALUES))
        path = str(tmp_path / "t.CSV")
    else:
        path = write(tmp_path / f"t{suffix}", VALUES)
    table = read_table(path)
    assert table.names == (("0", "1", "2") if suffix in (".npy", ".npz") else ("a", "b", "c"))
    assert np.array_equal(table.read(columns), VALUES[:, list(columns)])


@pytest.mark.parametrize(
    "text",
    [
        csv_text(VALUES, header=""),
        "\ufeff" + csv_text(VALUES, header="x,y,z"),
        csv_text(VALUES, header='"two\nlines", "y",z'),
        "\n\n" + csv_text(VALUES).replace("\n", "\r\n\r\n"),
        "a,b,c\n" + "\n".join(",".join(f'"{float(v)!r}"' for v in row) for row in VALUES),
    ],
)
@pytest.mark.parametrize("columns", [(0, 1, 2), (1,)])
def test_csv_dialects(tmp_path, text, columns):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    table = read_table(str(path))
    assert np.array_equal(table.read(columns), VALUES[:, list(columns)])


@pytest.mark.parametrize(
    ("text", "columns", "match"),
    [
        ("", (0,), "is empty"),
        ("\n\n", (0,), "is empty"),
        ("1,2\n3,x\n", (0, 1), r"t.csv: row 2, column '1': 'x' is not a number"),
        ("a,b\n1,2\n3,\n", (0, 1), r"row 2, column 'b': the cell is empty"),
        ("a,b\n1,2\n3,\n", (1,), r"row 2, column 'b': the cell is empty"),
        ("a,1\n1,2\n", (0, 1), r"row 1, column '0': 'a' is not a number; accepted: numbers; a header"),
        ("a,b\n1,2\n3\n", (0, 1), "row 2 has 1 cells; accepted: 2"),
        ("a,b\n1,2\n3,4,5\n", (0,), "row 2 has 3 cells; accepted: 2"),
        ("a,a\n1,2\n", (0,), "columns 0 and 1 are both named 'a'"),
        ("1;2\n3;4\n", (0,), "'3;4' is not a number"),
    ],
)
def test_what_is_wrong_with_a_csv(tmp_path, text, columns, match):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=match):
        read_table(str(path)).read(columns)


def test_undecodable_csv(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,\xff\n")
    with pytest.raises(DataError, match=r"t\.csv: cannot be read"):
        read_table(str(path))


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros(3), r"shape \(3,\).*reshape to \(n, 1\)"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.zeros(()), r"shape \(\)"),
        (np.zeros((2, 2), complex), "dtype complex128"),
        (np.array([["a", "b"]]), "dtype <U1"),
        (np.zeros((2, 2), "M8[s]"), "dtype datetime64"),
        (np.zeros(2, [("a", float)]), "dtype"),
    ],
)
def test_arrays_that_are_no_tables(tmp_path, array, match):
    np.save(tmp_path / "t.npy", array)
    np.savez(tmp_path / "t.npz", x=array)
    for name, where in (("t.npy", ""), ("t.npz", "array x: ")):
        with pytest.raises(DataError, match=f"{name}: {where}{match}"):
            read_table(str(tmp_path / name))


def test_pickled_data_is_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (exec, ("raise SystemExit('unpickled')",))

    array = np.array([[Bomb()]], dtype=object)
    np.save(tmp_path / "t.npy", array, allow_pickle=True)
    np.savez(tmp_path / "t.npz", x=array)
    for name in ("t.npy", "t.npz"):
        with pytest.raises(DataError, match=f"{name}.*Python objects"):
            read_table(str(tmp_path / name))


def test_npz_layouts(tmp_path):
    path, cond = tmp_path / "t.npz", VALUES[:, :1] + 1
    np.savez(path, x=VALUES, cond=cond)
    table = read_table(str(path))
    assert table.cond.names == ("cond0",) and np.array_equal(table.cond.read([0]), cond)
    for arrays, match in (
        ({"x": VALUES, "y": VALUES}, "holds the arrays x, y; accepted: x and optionally cond"),
        ({"u": VALUES, "v": VALUES}, "holds the arrays u, v"),
        ({}, "holds no array"),
        ({"x": VALUES, "cond": cond[:5]}, "12 rows and cond has 5"),
        ({"x": VALUES, "cond": cond[:, 0]}, r"array cond: shape \(12,\)"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(DataError, match=match):
            read_table(str(path))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet"])
def test_garbage_and_missing_files(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    with pytest.raises(DataError, match=rf"t\{suffix}: no such file"):
        read_table(str(path))
    for content in (b"", b"garbage", b"PK\x03\x04 half a zip", b"\x93NUMPY\x01\x00"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"t\{suffix}: "):
            read_table(str(path))
    if suffix != ".parquet":
        path.unlink()
        other = write(tmp_path / ("t.npz" if suffix == ".npy" else "t.npy"), VALUES)
        path.write_bytes(Path(other).read_bytes())
        with pytest.raises(DataError, match="content is of another format"):
            read_table(str(path))


def test_unknown_suffix():
    with pytest.raises(DataError, match=r"t\.txt: another suffix; accepted: a \.npy, \.npz, \.csv, \.parquet file"):
        read_table("t.txt")


@pytest.mark.parametrize(
    ("column", "match"),
    [
        (pa.array(["a", "b"]), "column 'c' is of type string"),
        (pa.array([1.0, None]), "row 2, column 'c': the cell is empty"),
        (pa.array([[1.0], [2.0]]), "column 'c' is of type list"),
        (pa.array([0, 1], pa.timestamp("s")), "column 'c' is of type timestamp"),
    ],
)
def test_parquet_columns_that_are_no_numbers(tmp_path, column, match):
    path = str(tmp_path / "t.parquet")
    pq.write_table(pa.table({"a.b": [1, 2], "flag": [True, False], "c": column}), path)
    table = read_table(path)
    assert np.array_equal(table.read([1, 0]), [[1, 1], [0, 2]])
    with pytest.raises(DataError, match=match):
        table.read([0, 2])


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    path = write(tmp_path / "t.parquet", VALUES)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r'pip install "jaxgen\[data\]"'):
        read_table(path)
