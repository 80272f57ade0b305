"""`jaxgen log-prob`: compute the log density of the rows of a file under a trained model."""

import math
from pathlib import Path

import jax
import numpy as np

from jaxgen import zoo
from jaxgen.certificate import Certificate
from jaxgen.certificate import certify as certified
from jaxgen.cli import arguments
from jaxgen.cli.finite import require_finite
from jaxgen.cli.sample import conditions_for, in_reading
from jaxgen.cli.table import read_events
from jaxgen.data.writers import write_columns
from jaxgen.finite import unsaid
from jaxgen.questions import log_prob as density


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
    of: tuple[str, ...] | None = None,
    given: tuple[str, ...] | None = None,
    seed: int = 0,
) -> int:
    """Compute the log density, in nats, of each row of a file in the units of that file.

    Args:
        run: Run folder that `jaxgen train` wrote.
        data: A .npy, .npz, .csv or .parquet file that has the columns of the events, in the units of the training data.
        out: A .csv, .npy, .npz or .parquet file to write, with the columns log_prob and stderr, and bound if you give --certify. Without it
            only a summary is printed.
        columns: Columns of the event, by name. By default those are taken that the model was trained on.
        cond: For a conditional model, a file with one condition for each row. By default the columns of the condition are looked for in the
            file of the events.
        num_draws: Number of draws for each event if the density is a bound or an estimate.
        certify: Tolerance in nats, such as 1e-3. The error of each value is bounded, and work is added until the bound is below the
            tolerance; the summary says where it is not.
        reading: Reading of the parameters, such as ode. Give a wrong name to see which readings the model has.
        of: Columns whose density is asked for, for a model that was trained with --any-subset. By default all that are not given.
        given: Columns that are given, for such a model.
        seed: Seed of the draws.
    """
    arguments.count("--num-draws", num_draws)
    arguments.seed(seed)
    arguments.table_file("--out", out)
    if certify is not None and not (0 < certify < math.inf):
        raise ValueError(f"--certify {certify}: accepted: a positive tolerance in nats, such as 1e-3.")
    entry, fitted = zoo.load(run)
    entry = in_reading(entry, reading)
    arguments.memory("--num-draws", num_draws, *entry.card.config["event_shape"])
    if len(entry.card.config["event_shape"]) > 1:
        raise ValueError(f"{run}: the events of this model are images; accepted: a model of vectors. Use jaxgen.log_prob in Python.")
    x = read_events(entry, data, columns)
    schema = zoo.schema_of(entry)
    wanted = entry.card.config["event_shape"][0] if schema is None or not schema.event else len(schema.event)
    if x.shape[1] != wanted:
        raise ValueError(f"{data}: has {x.shape[1]} columns; accepted: {wanted}, as this model's events have. Choose them by --columns.")
    beside = data if cond is None and schema is not None and schema.cond else cond
    conditions, _ = conditions_for(entry, beside)
    if conditions is not None and len(conditions) != len(x):
        raise ValueError(f"--cond {cond}: has {len(conditions)} rows; accepted: {len(x)}, one condition for each event of {data}.")
    options = {"key": jax.random.key(seed), "num_draws": num_draws}
    if certify is not None and (of or given):
        raise ValueError(f"--certify {certify}: accepted: without --of and --given.")
    if certify is None:
        with unsaid():
            lp = density(entry.model, fitted.params, x, conditions, of=of, given=given, **options)
    else:
        lp = certified(entry.model, fitted.params, x, certify, conditions, **options)
    value, stderr = np.asarray(lp.value), np.asarray(lp.stderr)
    require_finite(str(data), value, outside=True)
    bound = [lp.bound] if isinstance(lp, Certificate) else []
    if out is not None:
        columns_out = zip(("log_prob", "stderr", "bound"), (value, stderr, *bound), strict=False)
        write_columns(out, {name: np.asarray(values) for name, values in columns_out})
    where = "" if out is None else f"; one row each in {out}"
    note = ", of the ODE that the sampler approximates" if entry.model.transform.proxy is not None else ""
    print(f"{len(x)} events: mean log p {value.mean():.4f} nats, {lp.density}{note}{where}")
    if isinstance(lp, Certificate):
        print(lp.summary())
    return 0
