"""One format, one table: every reader gives the same numbers, and says what it cannot read."""

import builtins
import contextlib
import tokenize
import warnings
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxgen.data.readers import read_table
from jaxgen.data.tables import DataError, MissingExtra

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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_a_csv_file_of_a_spreadsheet_is_read_in_its_encoding(tmp_path, encoding):
    path = tmp_path / "t.csv"
    path.write_text("größe;straße\n1,5;Ähre\n2,5;Öl\n" * 1, encoding=encoding)
    table = read_table(str(path))
    assert table.names == ("größe", "straße") and table.dialect == (";", ",")
    assert table.column(0).tolist() == [1.5, 2.5] and table.column(1).tolist() == ["Ähre", "Öl"]


@pytest.mark.parametrize("text", [",a,b\n0,1.5,x\n1,2.5,y\n", ",a,b\n1,1.5,x\n2,2.5,y\n", "a,b\n1.5,x\n2.5,y\n"])
def test_the_index_that_a_data_frame_writes_is_left_out(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    said = pytest.warns(UserWarning, match="the first column has no name and counts the rows") if text[0] == "," else contextlib.nullcontext()
    with said:
        table = read_table(str(path))
    assert table.names == ("a", "b") and table.column(0).tolist() == [1.5, 2.5] and table.column(1).tolist() == ["x", "y"]


def test_a_column_without_a_name_that_does_not_count_is_a_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",a\n0,1.5\n5,2.5\n")
    assert read_table(str(path)).names == ("", "a")


@pytest.mark.parametrize(
    ("text", "columns", "match"),
    [
        ("", (0,), "is empty"),
        ("\n\n", (0,), "is empty"),
        ("1,2\n3,x\n", (0, 1), r"t.csv: row 2, column '1': 'x' is not a number"),
        ("a,b\n1,2\n3,1_0\n", (1,), r"row 2, column 'b': '1_0' is not a number"),
        ("a,1\n1,2\n", (0, 1), r"row 1, column '0': 'a' is not a number"),
        ("a,b\n1,2\n3\n", (0, 1), "row 2 has 1 cells; accepted: 2"),
        ("a,b\n1,2\n3,4,5\n", (0,), "row 2 has 3 cells; accepted: 2"),
        # Every row is longer than the header, or shorter: NumPy alone reads these shifted.
        ("a,b\n1,2,3\n4,5,6\n", (0, 1), "row 1 has 3 cells; accepted: 2"),
        ("a,b,c\n1,2\n3,4\n", (0, 1), "row 1 has 2 cells; accepted: 3"),
        ("a,a\n1,2\n", (0,), "columns 0 and 1 are both named 'a'"),
    ],
)
def test_what_is_wrong_with_a_csv(tmp_path, text, columns, match):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=match):
        read_table(str(path)).read(columns)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1,5;2\n-3,25e2;4\n", [[1.5, 2], [-325, 4]]),
        ("a;b\n1.5;2\n3;4\n", [[1.5, 2], [3, 4]]),
        ("1,5;2,5\n3,0;4,0\n", [[1.5, 2.5], [3, 4]]),
        ("a\tb\n1\t2\n", [[1, 2]]),
        ("a|b\n1|2\n", [[1, 2]]),
        ("a,b\n1,\n,2\n", [[1, np.nan], [np.nan, 2]]),
        ("a,b\nNA,1\n2,n/a\n", [[np.nan, 1], [2, np.nan]]),
        ('a,b\n"1",2\n', [[1, 2]]),
    ],
)
def test_separators_decimal_commas_and_missing_cells(tmp_path, text, expected):
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert np.array_equal(read_table(str(path)).read([0, 1]), expected, equal_nan=True)


def test_a_text_with_semicolons_does_not_change_the_separator(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"x;y"\n2,"z;w"\n')
    assert read_table(str(path)).column(1).tolist() == ["x;y", "z;w"]


@pytest.mark.parametrize("error", [MemoryError, NotImplementedError, RecursionError, zlib.error, tokenize.TokenError, IndexError])
def test_whatever_a_library_raises_is_one_line(tmp_path, monkeypatch, error):
    path = write(tmp_path / "t.npz", VALUES)

    def broken(*args, **kwargs):
        raise error("deep inside\nof a library")

    monkeypatch.setattr(np, "load", broken)
    with pytest.raises(DataError, match=r"t\.npz: cannot be read \(deep inside of a library\)"):
        read_table(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet"])
def test_no_damaged_byte_escapes_as_another_error(tmp_path, suffix):
    """Every prefix and every flipped byte of the head of a file is read or refused by a DataError."""
    path = Path(write(tmp_path / f"t{suffix}", VALUES[:3]))
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    read = 0
    for _ in range(60):
        place, damaged = int(rng.integers(len(good))), bytearray(good)
        damaged[place] = int(rng.integers(256))
        for content in (bytes(damaged), good[:place]):
            path.write_bytes(content)
            with contextlib.suppress(DataError):
                read += len(read_table(str(path)).read([0])) > 0
    assert 0 < read < 120


def test_undecodable_csv(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,\x81\n")
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
    np.savez(path, x=VALUES, cond=cond, columns=np.array(["u", "v", "w"]), cond_columns=np.array(["c"]))
    table = read_table(str(path))
    assert table.names == ("u", "v", "w") and table.cond.names == ("c",)
    for arrays, match in (
        ({"x": VALUES, "columns": np.array(["u", "v"])}, "has 3 columns and 2 names"),
        ({"x": VALUES, "columns": np.array([1.0, 2.0, 3.0])}, "accepted: the names of the columns, as text"),
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


def test_columns_of_parquet(tmp_path):
    path = str(tmp_path / "t.parquet")
    columns = {
        "a.b": pa.array([1, None]), "flag": pa.array([True, False]), "text": pa.array(["x", None]), "day": pa.array([0, 1], pa.date32()),
        "code": pa.array(["u", "v"]).dictionary_encode(), "list": pa.array([[1.0], [2.0]]),
    }  # fmt: skip
    pq.write_table(pa.table(columns), path)
    table = read_table(path)
    assert table.names == tuple(columns)
    assert np.array_equal(table.column(0), [1, np.nan], equal_nan=True) and table.column(1).tolist() == [True, False]
    assert table.column(2).tolist() == ["x", None] and table.column(3).astype(str).tolist() == ["1970-01-01", "1970-01-02"]
    assert table.column(4).tolist() == ["u", "v"]
    with pytest.raises(DataError, match="column 'list' is of type List"):
        table.column(5)


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


@pytest.mark.parametrize(
    ("text", "names"),
    [
        # What pandas writes of a DataFrame without names, with its index and without.
        (",0,1\n" + "".join(f"{i},{i}.5,{i * i}.25\n" for i in range(12)), ("0", "1")),
        ("0,1\n" + "".join(f"{i}.5,-{i}.25\n" for i in range(12)), ("0", "1")),
        ("0\n" + "".join(f"{i}e-3\n" for i in range(12)), ("0",)),
    ],
)
def test_a_first_line_that_numbers_the_columns_is_a_header(tmp_path, text, names):
    (tmp_path / "t.csv").write_text(text)
    with warnings.catch_warnings(action="ignore"):
        table = read_table(str(tmp_path / "t.csv"))
    assert table.names == names and len(table.column(0)) == 12
    np.testing.assert_allclose(table.column(len(names) - 1)[-1], float(text.splitlines()[-1].split(",")[-1]))


@pytest.mark.parametrize("text", ["0,1\n0.1,0.995\n1,0.54\n", "0,1\n1,0\n", "0.0,1.0\n0.5,0.9\n", "1,2\n0.5,0.9\n", "0,1\n"])
def test_a_first_line_of_whole_numbers_is_a_row_where_others_are_below(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    assert len(read_table(str(tmp_path / "t.csv")).column(0)) == len(text.splitlines())
