"""`jaxgen log-prob`: the log density of a file's rows under a trained model."""

import math
from pathlib import Path

import jax
import numpy as np

from jaxgen import zoo
from jaxgen.cli import arguments
from jaxgen.cli.sample import conditions_for, in_reading
from jaxgen.cli.table import read_rows, write_table
from jaxgen.model import log_prob as density


def log_prob(
    run: Path,
    data: Path,
    /,
    *,
    out: Path | None = None,
    columns: tuple[str, ...] | None = None,
    cond: Path | None = None,
    num_draws: int = 100,
    certify: float | None = None,
    reading: str | None = None,
    seed: int = 0,
) -> int:
    """Log density in nats of each row of a file, in the file's own units, with its standard error and kind.

    Args:
        run: a run folder that `jaxgen train` wrote.
        data: a .npy, .npz, .csv or .parquet file of events, in the units of the training data.
        out: a .npy or .csv file for the columns log_prob and stderr, and bound where certified; otherwise only a summary is printed.
        columns: the columns of the event, by name; all of them by default.
        cond: for a conditional model, a file with one condition for each row.
        num_draws: draws for each event where the density is a bound or an estimate.
        certify: a tolerance in nats: bound the error of each value and do more work until it is below that, or say where it is not.
        reading: which reading of the parameters, such as ode; the default one otherwise.
        seed: of the draws.
    """
    arguments.count("--num-draws", num_draws)
    arguments.seed(seed)
    arguments.table_file("--out", out)
    if certify is not None and not (0 < certify < math.inf):
        raise ValueError(f"--certify {certify}: accepted: a positive tolerance in nats, such as 1e-3.")
    entry, fitted = zoo.load(run)
    entry = in_reading(entry, reading)
    arguments.memory("--num-draws", num_draws, *entry.config["event_shape"])
    if len(entry.config["event_shape"]) > 1:
        raise ValueError(f"{run}: the events of this model are images, {data} is a table of rows; use jaxgen.log_prob.")
    x = read_rows(data, columns)
    wanted = entry.config["event_shape"][0]
    if x.shape[1] != wanted:
        raise ValueError(f"{data}: has {x.shape[1]} columns; this model's events have {wanted}. Choose them by --columns.")
    conditions = conditions_for(entry, cond)
    if conditions is not None and len(conditions) != len(x):
        raise ValueError(f"--cond {cond}: has {len(conditions)} rows and {data} has {len(x)}; give one condition for each event.")
    lp = density(entry.model, fitted.params, x, conditions, key=jax.random.key(seed), num_draws=num_draws, certify=certify)
    value, stderr = np.asarray(lp.value), np.asarray(lp.stderr)
    bound = [] if lp.certificate is None else [lp.certificate.bound]
    if out is not None:
        write_table(out, np.stack([value, stderr, *bound], 1), ["log_prob", "stderr", "bound"][: 2 + len(bound)])
    where = "" if out is None else f"; one row each in {out}"
    note = f" ({entry.model.transform.note})" if entry.model.transform.note else ""
    print(f"{len(x)} events: mean log p {value.mean():.4f} nats, {lp.density}{note}{where}")
    if lp.certificate is not None:
        print(lp.certificate.summary())
    return 0
