"""Columns of cells to files: what `read_table` reads, a command can write."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxgen.atomic import replacing
from jaxgen.data.frames import write_parquet
from jaxgen.data.tables import DataError

ENDINGS = (".csv", ".npy", ".npz", ".parquet")


def write_columns(
    path: Path, columns: Mapping[str, np.ndarray], cond: Mapping[str, np.ndarray] | None = None, dialect: tuple[str, str] = (",", ".")
) -> None:
    """Write columns of cells as .csv with a header, .npy, .npz or .parquet; an earlier file is replaced in one step.

    Args:
        path: The file; its folder is made.
        columns: The cells of each column: numbers, text, dates; None, NaN or NaT is an empty cell.
        cond: Conditions, which an .npz keeps apart; in other files they stand before the columns. None for none.
        dialect: The separator and the decimal sign of a .csv file.

    Raises:
        DataError: The file has another ending, or an array file would have to hold text or dates.
    """
    if path.suffix not in ENDINGS:
        raise DataError(f"--out {path}: accepted: a file that ends in {', '.join(ENDINGS)}.")
    everything = {**(cond or {}), **columns}
    if path.suffix in (".npy", ".npz"):
        arrays = {name: _numeric(path, name, cells) for name, cells in everything.items()}
    with replacing(path) as part:
        if path.suffix == ".csv":
            _write_csv(part, everything, *dialect)
        elif path.suffix == ".parquet":
            write_parquet(str(part), everything)
        elif path.suffix == ".npy":
            with part.open("wb") as file:
                np.save(file, np.stack(list(arrays.values()), 1), allow_pickle=False)
        else:
            _write_npz(part, arrays, [] if cond is None else list(cond))


def _write_csv(path: Path, columns: Mapping[str, np.ndarray], separator: str, decimal: str) -> None:
    texts = [_texts(cells, decimal) for cells in columns.values()]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*texts, strict=True))


def _texts(cells: np.ndarray, decimal: str) -> list[str]:
    if cells.dtype.kind == "f":
        texts = ["" if np.isnan(cell) else f"{cell:.9g}" for cell in cells.tolist()]
        return texts if decimal == "." else [text.replace(".", decimal) for text in texts]
    if cells.dtype.kind == "M":
        return ["" if text == "NaT" else text for text in np.datetime_as_string(cells).tolist()]
    return ["" if cell is None else str(cell) for cell in cells.tolist()]


def _write_npz(path: Path, arrays: Mapping[str, np.ndarray], cond: list[str]) -> None:
    names = [name for name in arrays if name not in cond]
    parts = {"x": np.stack([arrays[name] for name in names], 1), "columns": np.array(names)}
    if cond:
        parts |= {"cond": np.stack([arrays[name] for name in cond], 1), "cond_columns": np.array(cond)}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **parts)


def _numeric(path: Path, name: str, cells: np.ndarray) -> np.ndarray:
    if cells.dtype.kind not in "buif":
        kind = "dates" if cells.dtype.kind == "M" else "text"
        raise DataError(f"--out {path}: column {name!r} holds {kind}; accepted: a .csv or .parquet file.")
    return cells
