"""Held-out NLL and the quality of samples on tables of numbers and categories: one process for each column beside its alternatives.

    python benchmarks/mixed_tables.py --files wages.csv benefits.csv

The files are csv with a header; without any, two tables that scikit-learn bundles are taken, whose classes are categories. `mixed_diffusion` is
measured beside `tabular` and beside `cfm`, which sees a category as real numbers. NLL is in nats a row of 256 test rows, a bound of 8 draws
for `cfm` and for the reading "ancestral".
"""

import json
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

OPTIONS: dict[str, dict[str, Any]] = {"mixed_diffusion": {}, "tabular": {}, "cfm": {"num_steps": 50}}
FIGURES = ("shape_error", "shape_error_floor", "trend_error", "trend_error_floor", "detection_auc", "detection_auc_floor")


def bundled() -> dict[str, pd.DataFrame]:
    tables = {}
    for name, load in (("wine", datasets.load_wine), ("breast_cancer", datasets.load_breast_cancer)):
        bunch = load(as_frame=True)
        tables[name] = bunch.data.iloc[:, :8].assign(kind=np.asarray(bunch.target_names)[bunch.target])
    return tables


def measure(name: str, frame: pd.DataFrame, steps: int, seed: int, **options: Any) -> list[dict[str, Any]]:
    """Train an entry on a table and return a row of figures for each of its readings."""
    import jax

    import jaxgen

    data = jaxgen.data.load(frame)
    ready = jaxgen.zoo.prepare(name, data, **{**OPTIONS[name], **options})
    batch = min(256, len(ready.data.train))
    start = time.perf_counter()
    fitted = jaxgen.fit(
        jax.random.key(seed), ready.entry, ready.data.train, steps, batch_size=batch, valid=ready.data.valid,
        patience=jaxgen.training.PATIENCE, progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    entry, fitted = ready.in_units(fitted)
    assert data.schema is not None and data.units is not None
    train, test = (np.asarray(jaxgen.zoo.exact(data.schema, data.units.restore(rows))) for rows in (data.train, data.test))
    rows = []
    for reading, model in entry.models.items():
        exact = ready.entry.models[reading].transform.kind is jaxgen.Density.EXACT
        value = jaxgen.log_prob(model, fitted.params, test[:256], key=1, num_draws=8)
        samples = np.asarray(jaxgen.sample(2, model, fitted.params, len(test)))
        figures = jaxgen.evaluation.table_figures(samples, test, train, data.schema)
        rows.append({
            "model": name, "reading": reading, "options": options, "rows": len(train), "columns": train.shape[1], "seed": seed,
            "nll": -float(np.mean(value.value)), "codes": "exact" if exact else "estimated", "train_seconds": seconds,
            **{k: figures[k] for k in FIGURES},
        })  # fmt: skip
    return rows


def main(argv: list[str] | None = None) -> int:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--files", nargs="*", type=Path, default=[])
    parser.add_argument("--models", nargs="+", choices=tuple(OPTIONS), default=list(OPTIONS))
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    given = parser.parse_args(argv)
    tables = {path.stem: pd.read_csv(path) for path in given.files} or bundled()
    rows: list[dict[str, Any]] = []
    for table, frame in tables.items():
        for seed in given.seeds:
            for name in given.models:
                for row in measure(name, frame, 20 if given.quick else given.steps, seed):
                    rows.append({"table": table, **row})
                    print(json.dumps(rows[-1]), flush=True)
                    if given.out:
                        given.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
