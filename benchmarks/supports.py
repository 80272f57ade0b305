"""Held-out NLL a row, in the units of the data, with supports and tails that were found and with standardised columns only.

    python benchmarks/supports.py --model nsf --only wine heavy

The tables are those that scikit-learn bundles and four synthetic ones of 1,000 rows; two splits and seeds each. Both runs of a pair train the same
entry at the same seed for as long as the validation loss falls.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import options
from sklearn import datasets

OPTIONS = {"nsf": {"width": 32, "depth": 2, "num_layers": 4}, "tabular": {"width": 48, "depth": 2, "num_components": 8}}
STEPS, SEEDS = 1_000, (0, 1)


NAMES = ("wine", "breast_cancer", "diabetes", "normal", "log-normal", "shares", "heavy")


def mixed(rng: np.random.Generator, num: int, make: Callable[[np.ndarray], np.ndarray]) -> pd.DataFrame:
    """Correlated normal numbers through the quantile functions of `make`."""
    z = rng.normal(size=(num, 4)) @ rng.normal(size=(4, 4)) / 2
    return pd.DataFrame({f"x{j}": column for j, column in enumerate(make(z).T)})


def tables() -> Iterator[tuple[str, pd.DataFrame]]:
    rng = np.random.default_rng(0)
    for name, load in (("wine", datasets.load_wine), ("breast_cancer", datasets.load_breast_cancer), ("diabetes", datasets.load_diabetes)):
        yield name, pd.DataFrame(load().data)
    yield "normal", mixed(rng, 1_000, lambda z: z)
    yield "log-normal", mixed(rng, 1_000, np.exp)
    yield "shares", mixed(rng, 1_000, lambda z: 1 / (1 + np.exp(-1.5 * z)))
    yield "heavy", mixed(rng, 1_000, lambda z: z * np.exp(0.25 * z**2))


def nll(name: str, data: Any, supports: bool, seed: int, steps: int) -> tuple[np.ndarray, list[str]]:
    import jax

    import jaxgen

    prepared = jaxgen.zoo.prepare(name, data, supports=supports, **OPTIONS[name])
    fitted = jaxgen.fit(
        jax.random.key(seed), prepared.entry, prepared.data.train, steps, valid=prepared.data.valid, patience=5, ema=0.98, progress=False
    )
    entry, fitted = prepared.in_units(fitted)
    x = data.units.restore(data.test)
    whole = [column.kind in ("integer", "date", "category") for column in data.schema.event]
    value = jaxgen.log_prob(
        entry.model, fitted.params, np.where(whole, np.rint(x), x).astype(np.float32), key=jax.random.key(9), num_draws=50
    )
    return -np.asarray(value.value), [str(m) for m in prepared.layout.marginals]


def main() -> None:
    args = options(__doc__, model=None, only=NAMES)
    import jaxgen

    name, steps, seeds = args.model or "nsf", 100 if args.quick else STEPS, SEEDS[:1] if args.quick else SEEDS
    rows: list[dict[str, Any]] = []
    for table, frame in tables():
        if table not in (args.only or NAMES):
            continue
        pairs, families, start = [], [], time.perf_counter()
        for seed in seeds:
            data = jaxgen.data.load(frame, seed=seed)
            (found, chosen), (plain, _) = nll(name, data, True, seed, steps), nll(name, data, False, seed, steps)
            pairs.append((found.mean(), plain.mean(), (found - plain).std() / np.sqrt(len(found))))
            families.append(sum(c != "standardised" for c in chosen))
        found, plain, error = (float(v) for v in np.mean(pairs, axis=0))
        rows.append({"model": name, "table": table, "found": families, "with": found, "without": plain, "stderr": error})
        print(
            f"{name:8s} {table:14s} rows {len(frame):5d} columns {frame.shape[1]:3d} found {families} "
            f"with {found:9.3f} without {plain:9.3f} gain {plain - found:8.3f} +- {error:.3f} nats a row, {time.perf_counter() - start:.0f} s",
            flush=True,
        )
    if args.out:
        Path(args.out).write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
