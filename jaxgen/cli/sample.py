"""`jaxgen sample`: draws from a run folder into a file."""

from pathlib import Path

import jax
import numpy as np

from jaxgen import zoo
from jaxgen.cli import arguments
from jaxgen.cli.table import read_rows, write_table
from jaxgen.model import sample as draw
from jaxgen.training import Entry


def sample(run: Path, /, *, out: Path, num: int = 1_000, seed: int = 0, reading: str | None = None, cond: Path | None = None) -> int:
    """Draw samples from a trained model, in the units of its data.

    Args:
        run: a run folder that `jaxgen train` wrote.
        out: the file to write, .npy or .csv; of images .npy.
        num: how many samples.
        seed: of the noise; the same seed gives the same samples.
        reading: which reading of the parameters, such as ode or ddim; the default one otherwise.
        cond: for a conditional model, a .npy, .csv or .parquet file of conditions; one sample for each row, num is not used.
    """
    arguments.count("--num", num)
    arguments.seed(seed)
    arguments.table_file("--out", out)
    entry, fitted = zoo.load(run)
    entry = in_reading(entry, reading)
    conditions = conditions_for(entry, cond)
    if out.suffix != ".npy" and len(entry.config["event_shape"]) > 1:
        raise ValueError(f"--out {out}: the samples of this model are images; accepted ending: .npy.")
    arguments.memory("--num", num, *entry.config["event_shape"])
    count = num if conditions is None else len(conditions)
    x = np.asarray(draw(jax.random.key(seed), entry.model, fitted.params, count, conditions, batch_size=min(count, 65_536)))
    write_table(out, x, entry.config.get("columns"))
    print(f"{count} samples of {entry.name} ({entry.reading}) in {out}")
    return 0


def in_reading(entry: Entry, reading: str | None) -> Entry:
    """`entry` with another of its readings as its model. ValueError naming the readings where there is none of that name."""
    if reading is None:
        return entry
    if reading not in entry.readings:
        raise ValueError(f"--reading {reading}: {entry.name} can be read as: {', '.join(entry.readings)}.")
    return entry._replace(model=entry.readings[reading], reading=reading)


def conditions_for(entry: Entry, cond: Path | None) -> np.ndarray | None:
    """The rows of the file `cond` as conditions of `entry`. ValueError where the model wants some and has none, or the reverse."""
    shape = entry.config["cond_shape"]
    if (cond is None) != (shape is None):
        wants = "no conditions" if shape is None else f"conditions of {shape[0]} numbers"
        raise ValueError(f"--cond {cond}: this model takes {wants}.")
    if cond is None:
        return None
    rows = read_rows(cond)
    if rows.shape[1] != shape[0]:
        raise ValueError(f"--cond {cond}: has {rows.shape[1]} columns; this model's conditions have {shape[0]}.")
    return rows
