"""`jaxgen sample`: draw samples from a trained model into a file."""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from jaxgen import checks, zoo
from jaxgen.cli import arguments
from jaxgen.cli.finite import require_finite
from jaxgen.cli.pixels import classes_of, labelled, levels_of, whole, write_images
from jaxgen.cli.table import read_conditions, write_samples
from jaxgen.data.tables import Table
from jaxgen.data.writers import ENDINGS
from jaxgen.finite import unsaid
from jaxgen.questions import sample as draw
from jaxgen.training import Entry

IMAGES_OF_A_PICTURE = 64
"""How many samples of images a .png shows, unless --num says otherwise."""


def sample(
    run: Path,
    /,
    *,
    out: Path,
    num: int | None = None,
    seed: int = 0,
    reading: str | None = None,
    cond: Path | None = None,
    label: tuple[str, ...] = (),
    given: tuple[str, ...] | None = None,
) -> int:
    """Draw samples from a trained model, in the units of its data, and write them to a file.

    Args:
        run: Run folder that `jaxgen train` wrote.
        out: File to write, .csv, .npy, .npz or .parquet. The names of the columns, labels, dates and whole numbers are those of the data, and
            conditions stand beside the samples. Samples of images are written as .npy or .npz of bytes, or side by side as a .png.
        num: Number of samples. By default 1,000, and 64 for a .png.
        seed: Seed of the noise; the same seed gives the same samples.
        reading: Reading of the parameters, such as ode or ddim. Give a wrong name to see which readings the model has.
        cond: For a conditional model, a .npy, .npz, .csv or .parquet file that has the columns of the condition. One sample is drawn for each
            row, and --num is not used.
        label: For a model of images with labels, the names of the classes to draw, such as circle; several of them take turns.
        given: What is given of each sample, as --given age=35 smoker=yes, for a model that was trained with --any-subset.
    """
    arguments.count("--num", num)
    arguments.seed(seed)
    (arguments.file if out.suffix == ".png" else arguments.table_file)("--out", out)
    entry, fitted = zoo.load(run)
    entry = in_reading(entry, reading)
    shape = entry.card.config["event_shape"]
    _check_ending(out, shape)
    num = num or (IMAGES_OF_A_PICTURE if out.suffix == ".png" else 1_000)
    arguments.memory("--num", num, *shape)
    conditions, beside = (labelled(entry, label, num, cond), None) if label else conditions_for(entry, cond)
    count = num if conditions is None else len(conditions)
    how = {"given": None if given is None else arguments.pairs("--given", given), "batch_size": min(count, 65_536)}
    with unsaid():
        x = np.asarray(draw(jax.random.key(seed), entry.model, fitted.params, count, conditions, **how))
    schema = zoo.schema_of(entry)
    require_finite(f"--out {out}", x, gaps=schema is not None and any(column.missing for column in schema.event))
    if len(shape) > 1:
        write_images(out, whole(entry, x), levels_of(entry))
    else:
        write_samples(out, x, schema, beside)
    print(f"{count} samples of {entry.card.name} ({entry.card.reading}) in {out}")
    return 0


def _check_ending(out: Path, shape: Sequence[int]) -> None:
    accepted = (".npy", ".npz", ".png") if len(shape) > 1 else ENDINGS
    if out.suffix not in accepted:
        what = "images" if len(shape) > 1 else "vectors"
        endings = f"{', '.join(accepted[:-1])} or {accepted[-1]}"
        raise ValueError(f"--out {out}: the samples of this model are {what}; accepted: a file that ends in {endings}.")


def in_reading(entry: Entry, reading: str | None) -> Entry:
    """Return an entry with another of its readings as its model.

    Args:
        entry: The entry.
        reading: Name of the reading; None keeps the default one.

    Returns:
        The entry.

    Raises:
        ValueError: The entry has no such reading; the message names those that it has.
    """
    if reading is None:
        return entry
    if reading not in entry.readings:
        hint = checks.closest(reading, entry.readings)
        raise ValueError(f"--reading {reading}: accepted: {', '.join(entry.readings)}, the readings of {entry.card.name}.{hint}")
    return entry._replace(model=entry.readings[reading], card=entry.card._replace(reading=reading))


def conditions_for(entry: Entry, cond: Path | None) -> tuple[np.ndarray | None, Table | None]:
    """Read the conditions for a model from a file.

    Args:
        entry: The entry of the model.
        cond: The file, or None.

    Returns:
        Conditions `(n, *cond)` and the table that holds them, or None and None for a model without conditions.

    Raises:
        ValueError: A conditional model got no file, a model without conditions got one, or the number of columns is wrong.
    """
    shape = entry.card.config["cond_shape"]
    if (cond is None) != (shape is None):
        wants = "no conditions" if shape is None else f"conditions of {shape[0]} numbers"
        wants += f" in a file, or --label {classes_of(entry)[0]}" if classes_of(entry) else ""
        raise ValueError(f"--cond {cond}: accepted: {wants}, which this model takes.")
    if cond is None:
        return None, None
    rows, table = read_conditions(entry, cond)
    if rows.shape[1] != shape[0]:
        raise ValueError(f"--cond {cond}: has {rows.shape[1]} columns; accepted: {shape[0]}, as this model's conditions have.")
    return rows, table
