"""Files of tables, images and texts: each valid file is mutated and read; what is accepted has to be what the file says."""

import csv
import io
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.mutations import of_bytes
from fuzzing.verdict import Misread

CSV = "age,height,city,born,smoker\n" + "".join(
    f"{20 + i},{150 + 1.5 * i},{('Ulm', 'Bonn', 'Köln')[i % 3]},19{60 + i}-0{1 + i % 9}-1{i % 9},{i % 2}\n" for i in range(24)
)
SEMICOLONS = "a;b;c\n" + "".join(f"{i},5;{i * i},25;{i}\n" for i in range(20))
NUMBERS = "".join(f"{i},{i / 7},{-i}\n" for i in range(20))
TEXT = "the quick brown fox jumps over the lazy dog. " * 60


def files() -> dict[str, tuple[bytes, str]]:
    """Return valid content and suffix by the name of the target."""
    rng = np.random.default_rng(0)
    table = rng.standard_normal((20, 3))
    found = {
        "csv": (CSV.encode(), ".csv"), "csv_semicolons": (SEMICOLONS.encode(), ".csv"), "csv_numbers": (NUMBERS.encode(), ".csv"),
        "npy": (_saved(np.save, table), ".npy"), "npz": (_saved(np.savez, x=table, cond=table[:, :1]), ".npz"),
        "npy_images": (_saved(np.save, rng.integers(256, size=(12, 4, 4), dtype=np.uint8)), ".npy"), "text": (TEXT.encode(), ".txt"),
    }  # fmt: skip
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        pq.write_table(pa.table({"a": table[:, 0], "b": list("xyz" * 6 + "xy"), "c": np.arange(20)}), sink)
        found["parquet"] = (sink.getvalue(), ".parquet")
    except ImportError:
        pass
    try:
        from PIL import Image

        sink = io.BytesIO()
        Image.fromarray(rng.integers(256, size=(6, 6, 3), dtype=np.uint8)).save(sink, "png")
        found["png"] = (sink.getvalue(), ".png")
        sink = io.BytesIO()
        Image.fromarray(rng.integers(256, size=(6, 6), dtype=np.uint8)).save(sink, "jpeg")
        found["jpg"] = (sink.getvalue(), ".jpg")
    except ImportError:
        pass
    return found


def _saved(save: Callable[..., Any], *arrays: Any, **named: Any) -> bytes:
    sink = io.BytesIO()
    save(sink, *arrays, **named)
    return sink.getvalue()


def target(content: bytes, suffix: str) -> Callable[[np.random.Generator, Path], Callable[[], None]]:
    """Return a function that writes a mutated file into a folder and returns the case that reads it."""

    def make(rng: np.random.Generator, folder: Path) -> Callable[[], None]:
        path = folder / f"file{suffix}"
        path.write_bytes(_repacked(rng, content) if suffix == ".npz" and rng.random() < 0.5 else of_bytes(rng, content))

        def case() -> None:
            import jaxgen

            if suffix in (".png", ".jpg"):
                from jaxgen.data.pictures import decode

                decode(path)
                return
            jaxgen.data.load(path, num_train=8)
            if suffix == ".csv":
                _agrees(path)

        return case

    return make


def _repacked(rng: np.random.Generator, content: bytes) -> bytes:
    """Mutate one member of an archive and leave the archive valid, so that its checksums do not shield what reads the member."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(sink, "w") as packed:
        chosen = rng.integers(len(source.namelist()))
        for i, name in enumerate(source.namelist()):
            packed.writestr(name, of_bytes(rng, source.read(name)) if i == chosen else source.read(name))
    return sink.getvalue()


def _agrees(path: Path) -> None:
    """Compare what was read with Python's own parse: as many rows and cells, and numbers that are Python's where a column is numeric."""
    from jaxgen.data.readers import read_table

    table = read_table(str(path))
    separator, decimal = table.dialect or (",", ".")
    with path.open(newline="", encoding=_encoding(path.read_bytes())) as file:
        rows = [row for row in csv.reader(file, delimiter=separator) if row]
    index = rows[0][0].strip() == "" and len(rows[0]) == len(table.names) + 1  # a column without a name counts the rows, and is left out
    rows = [row[index:] for row in rows]
    if any(len(row) != len(table.names) for row in rows):
        raise Misread("rows of different lengths were read")
    for j in range(len(table.names)):
        values = table.column(j)
        if len(rows) - len(values) not in (0, 1):
            raise Misread(f"{len(values)} of {len(rows)} rows were read")
        for row, value in zip(rows[len(rows) - len(values) :], values, strict=True):
            cell = row[j].strip().replace(",", ".") if decimal == "," else row[j].strip()
            if isinstance(value, float) and not math.isnan(value) and ("_" in cell or float(cell) != value):
                raise Misread(f"{row[j]!r} was read as {value}")


def _encoding(content: bytes) -> str:
    """What an editor would say: UTF-16 by its mark, else UTF-8 if it is valid, else the Western European of Windows, or of ISO."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"
