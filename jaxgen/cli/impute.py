"""`jaxgen impute`: fill the missing cells of a file by draws from a trained model."""

import os
from pathlib import Path

import jax
import numpy as np

from jaxgen import zoo
from jaxgen.cli import arguments
from jaxgen.cli.finite import require_finite
from jaxgen.cli.sample import in_reading
from jaxgen.data.readers import read_table
from jaxgen.data.writers import write_columns
from jaxgen.questions import impute as fill


def impute(run: Path, data: Path, /, *, out: Path, draws: int = 1, seed: int = 0, reading: str | None = None) -> int:
    """Fill the missing cells of a file by draws from a model that was trained with --any-subset.

    Args:
        run: Run folder that `jaxgen train --any-subset` wrote.
        data: A .npy, .npz, .csv or .parquet file that has the columns that the model was trained on. Other columns are copied.
        out: File to write, .csv, .npy, .npz or .parquet: the rows of the file with every cell filled. What was there is unchanged.
        draws: How many times the file is filled. With more than one the rows of all stand below each other, and the column `draw` tells them
            apart.
        seed: Seed of the draws; the same seed gives the same cells.
        reading: Reading of the parameters, such as ode. Give a wrong name to see which readings the model has.
    """
    arguments.count("--draws", draws)
    arguments.seed(seed)
    arguments.table_file("--out", out)
    entry, fitted = zoo.load(run)
    entry, schema = in_reading(entry, reading), zoo.schema_of(entry)
    if schema is None or entry.model.transform.hooks.questions is None:
        raise ValueError(f"{run}: this model fills no gaps; accepted: a run of a table that was trained with --any-subset.")
    table = read_table(os.fspath(data))
    if draws > 1 and "draw" in table.names:
        raise ValueError(f"--draws {draws}: {data} has a column 'draw', by which several draws are told apart; accepted: --draws 1.")
    rows = zoo.partial_rows(schema, table)
    arguments.memory("--draws", draws * len(rows), rows.shape[1])
    drawn = np.asarray(fill(jax.random.key(seed), entry.model, fitted.params, rows, draws, batch_size=65_536), np.float64)
    # In double precision, so that what was there keeps its digits.
    filled = np.where(np.isnan(rows)[None], drawn, rows[None]).reshape(-1, rows.shape[1])
    require_finite(f"--out {out}", filled)
    cells = schema.rows(filled)
    names = [column.name for column in schema.event]
    columns = {name: cells[name] if name in names else np.tile(table.column(j), draws) for j, name in enumerate(table.names)}
    if draws > 1:
        columns = {"draw": np.repeat(np.arange(draws), len(rows)), **columns}
    write_columns(out, columns, None, schema.dialect)
    times = "" if draws == 1 else f", {draws} times"
    print(f"{int(np.isnan(rows).sum())} missing cells of {len(rows)} rows filled by {entry.card.name}{times}, in {out}")
    return 0
