"""Held-out NLL a row, in the units of the data, with supports and tails that were found and with standardised columns only.

    python benchmarks/supports.py [model] [tables ...]

The tables are those that scikit-learn bundles and four synthetic ones of 1,000 rows; two splits and seeds each. Both runs of a pair train the same
entry at the same seed for as long as the validation loss falls.
"""

import sys
import time

import jax
import numpy as np
import pandas as pd
from sklearn import datasets

import jaxgen

OPTIONS = {"nsf": {"width": 32, "depth": 2, "num_layers": 4}, "tabular": {"width": 48, "depth": 2, "num_components": 8}}
STEPS, SEEDS = 1_000, (0, 1)


def mixed(rng, num, make):
    """Correlated normal numbers through the quantile functions of `make`."""
    z = rng.normal(size=(num, 4)) @ rng.normal(size=(4, 4)) / 2
    return pd.DataFrame({f"x{j}": column for j, column in enumerate(make(z).T)})


def tables():
    rng = np.random.default_rng(0)
    for name, load in (("wine", datasets.load_wine), ("breast_cancer", datasets.load_breast_cancer), ("diabetes", datasets.load_diabetes)):
        yield name, pd.DataFrame(load().data)
    yield "normal", mixed(rng, 1_000, lambda z: z)
    yield "log-normal", mixed(rng, 1_000, np.exp)
    yield "shares", mixed(rng, 1_000, lambda z: 1 / (1 + np.exp(-1.5 * z)))
    yield "heavy", mixed(rng, 1_000, lambda z: z * np.exp(0.25 * z**2))


def nll(name, data, supports, seed):
    prepared = jaxgen.zoo.prepare(name, data, supports=supports, **OPTIONS[name])
    fitted = jaxgen.fit(
        jax.random.key(seed), prepared.entry, prepared.data.train, STEPS, valid=prepared.data.valid, patience=5, ema=0.98, progress=False
    )
    entry, fitted = prepared.in_units(fitted)
    x = data.units.restore(data.test)
    whole = [column.kind in ("integer", "date", "category") for column in data.schema.event]
    value = jaxgen.log_prob(
        entry.model, fitted.params, np.where(whole, np.rint(x), x).astype(np.float32), key=jax.random.key(9), num_draws=50
    )
    return -np.asarray(value.value), [str(m) for m in prepared.layout.marginals]


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "nsf"
    for table, frame in tables():
        if len(sys.argv) > 2 and table not in sys.argv[2:]:
            continue
        pairs, families, start = [], [], time.perf_counter()
        for seed in SEEDS:
            data = jaxgen.data.load(frame, seed=seed)
            (found, chosen), (plain, _) = nll(name, data, True, seed), nll(name, data, False, seed)
            pairs.append((found.mean(), plain.mean(), (found - plain).std() / np.sqrt(len(found))))
            families.append(sum(c != "standardised" for c in chosen))
        found, plain, error = np.mean(pairs, axis=0)
        print(
            f"{name:8s} {table:14s} rows {len(frame):5d} columns {frame.shape[1]:3d} found {families} "
            f"with {found:9.3f} without {plain:9.3f} gain {plain - found:8.3f} +- {error:.3f} nats a row, {time.perf_counter() - start:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
