"""Dynamics against the peers: log_prob and gradients of continuous flows, training steps of flow matching, sampling of a diffusion.

CNF: 3 x 64 tanh units that see (x, t), relative and absolute tolerance 1e-5; log_prob in events/s at batch 1024, gradients in steps/s of
Adam at batch 256; exact divergence at D2, one Rademacher probe at D64. Flow matching: 4 x 64 SELU units, D2, batch 256; for OT-CFM one
exact plan over the 256 points. EDM: 4 x 128 SiLU units, D2, 18 Heun steps, batch 4096. Float32, the same weights on every side.

A tolerance means different things. "ours, rms" means what diffrax's batched form and torchdiffeq mean: the root mean square of the batch's
errors is held under it, and single events may be tens of times worse. "ours" holds every event's error under it, as diffrax's vmapped form
does, and zuko every coordinate's. "ours at 1e-4" is the same at ten times the tolerance. So like is compared with like in the rows of "ours,
rms" against diffrax_batched and torchdiffeq and in those of "ours" against diffrax_vmapped and zuko; the errors beside them say the rest.

Every contender has a process of its own; the processes take turns, so that drift hits all alike, and figures are medians. Ours has two
host devices and runs as `jaxgen.log_prob`, `jaxgen.sample` and the compiled chunk of `jaxgen.fit` do; "ours, one device" is the same with
one. diffrax, with one solve for the batch or one an event, and plain JAX run on equal terms: two host devices, a scan over training steps,
the compiler's options and placed inputs (`benchmarks/peers/equal.py`). diffrax has a second column "as documented": one device, a jitted step
in a Python loop. torch runs with its own threads, eager and, where it compiles, compiled. Optimal-transport plans are made on the host, ahead
of the steps that use them, so "otcfm" is measured in long stretches: what is made during the other's turn then counts for little.
`benchmarks/peers/dynamics/` says how each is built. `--clock cpu` counts the seconds of all cores, as in `flows.py`.
"""

import importlib
import os
import statistics
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from common import Worker, installed, options, report, row
from peers.contender import CLOCK, COMPILED
from peers.dynamics.case import Case, figure


class Column(NamedTuple):
    """A way to run a contender: its module, how it is called in reports, its number of devices, and whether torch compiles."""

    side: str
    form: str
    devices: int = 1
    compiled: bool = False


def of_jax(side: str) -> tuple[Column, Column]:
    return Column(side, "equal terms", 2), Column(side, "as documented")


CNF = (*of_jax("diffrax_batched"), *of_jax("diffrax_vmapped"), Column("torchdiffeq", "eager"), Column("zuko", "eager"))
CFM = (Column("torchcfm", "eager"), Column("torchcfm", "compiled", compiled=True))
CASES = {
    "cnf D2": (Case("cnf", 2, 64, 3, "tanh"), CNF),
    "cnf D64": (Case("cnf", 64, 64, 3, "tanh"), CNF),
    "icfm D2": (Case("icfm", 2, 64, 4, "selu"), (Column("jax", "equal terms", 2), *CFM)),
    "otcfm D2": (Case("otcfm", 2, 64, 4, "selu"), CFM),
    "edm D2": (
        Case("edm", 2, 128, 4, "silu"),
        (Column("jax", "equal terms", 2), Column("torch", "eager"), Column("torch", "compiled", compiled=True)),
    ),
}
METRICS = {"cnf": ("log_prob", "gradient"), "icfm": ("train",), "otcfm": ("train",), "edm": ("sample",)}
UNITS = {"log_prob": "events/s", "gradient": "steps/s", "train": "steps/s", "sample": "events/s"}


def main() -> None:
    args = options(
        __doc__, only=list(CASES), peers=sorted({c.side for _, columns in CASES.values() for c in columns}), cache=None, clock=("cpu",)
    )
    if args.measure is not None:
        measure(**args.measure)
        return
    # Every worker inherits it.
    os.environ[CLOCK] = "cpu" if args.clock else "wall"
    rows: list[dict[str, Any]] = []
    for name in args.only or CASES:
        print(name, flush=True)
        rows += throughput(name, args.quick, args.peers, args.cache)
    report(rows, args.out)


def throughput(name: str, quick: bool, sides: Sequence[str] | None, cache: str | None) -> list[dict[str, Any]]:
    """Ours against every peer of the case that is installed; for a CNF also in the other norm and at the looser tolerance, with the errors."""
    case, columns = CASES[name]
    peers = {c: label for c in columns if (sides is None or c.side in sides) and (label := label_of(c))}
    ours = {Column("ours", "two devices", 2): name, Column("ours", "one device"): f"{name}, ours on one device"}
    if case.kind == "cnf":
        ours |= {Column("ours_rms", "rms", 2): f"{name}, ours, rms", Column("ours_looser", "at 1e-4", 2): f"{name}, ours at 1e-4"}
    workers = {
        c: Worker(__file__, {"case": name, "side": c.side}, c.devices, cache=cache, **({COMPILED: "1"} if c.compiled else {}))
        for c in (*ours, *peers)
    }
    rounds, seconds = (1, 0.1) if quick else (3, 5.0) if case.kind == "otcfm" else (5, 0.5)
    # First, as some train the weights that they solve with.
    rows = errors(workers, ours, peers) if case.kind == "cnf" else []
    for metric in METRICS[case.kind]:
        seen: dict[Column, list[float]] = {column: [] for column in workers}
        for i in range(rounds):
            for column in list(workers) if i % 2 == 0 else reversed(workers):
                seen[column].append(workers[column].ask({"metric": metric, "seconds": seconds}))
        medians = {column: statistics.median(values) for column, values in seen.items() if values[0] > 0}
        print(f"  {metric}: " + ", ".join(f"{c.side} ({c.form}) {v:.4g}" for c, v in medians.items()), flush=True)
        for own, label in ours.items():
            rows += [
                row(label, metric, UNITS[metric], medians[own], peers[p], medians[p], more_is_better=True) for p in peers if p in medians
            ]
    for worker in workers.values():
        worker.close()
    return rows


def label_of(column: Column) -> str | None:
    """How reports name a peer: its version and form; None if it is not installed."""
    version = installed(column.side.split("_")[0])
    return version and f"{version}{column.side.removeprefix(column.side.split('_')[0])}, {column.form}"


def errors(workers: dict[Column, Worker], ours: dict[Column, str], peers: dict[Column, str]) -> list[dict[str, Any]]:
    """The errors of the noise behind the events, whose coordinates are of order 1: the largest, and the root mean square."""
    truth = np.array(workers[next(iter(ours))].ask({"metric": "truth"}))
    found = {column: np.array(worker.ask({"metric": "noise"})) - truth for column, worker in workers.items()}
    rows: list[dict[str, Any]] = []
    for metric, size in {"largest error": lambda e: np.abs(e).max(), "rms error": lambda e: np.sqrt(np.mean(e**2))}.items():
        sizes = {column: float(size(error)) for column, error in found.items()}
        print(f"  {metric}: " + ", ".join(f"{c.side} ({c.form}) {v:.2g}" for c, v in sizes.items()), flush=True)
        rows += [row(label, metric, "1", sizes[own], peers[p], sizes[p]) for own, label in ours.items() for p in peers]
    return rows


def measure(case: str, side: str) -> None:
    """One process's part: answers its asker's questions."""
    contender = importlib.import_module(f"peers.dynamics.{side}").make(CASES[case][0])

    def answer(question: dict[str, Any]) -> Any:
        if question["metric"] in ("noise", "truth"):
            return np.asarray(contender[question["metric"]]()).tolist()
        try:
            return figure(contender[question["metric"]], question["seconds"])
        except Exception as error:
            if not os.environ.get(COMPILED):
                raise
            print(f"  not compiled: {type(error).__name__}: {str(error).splitlines()[0][:200]}", file=sys.stderr, flush=True)
            return 0.0

    Worker.answer(answer)


if __name__ == "__main__":
    main()
