"""Dynamics against the peers: log_prob and gradients of continuous flows, training steps of flow matching, sampling of a diffusion.

CNF: 3 x 64 tanh units that see (x, t), relative and absolute tolerance 1e-5; log_prob in events/s at batch 1024, gradients in steps/s of
Adam at batch 256; exact divergence at D2, one Rademacher probe at D64. Flow matching: 4 x 64 SELU units, D2, batch 256; for OT-CFM one
exact plan over the 256 points. EDM: 4 x 128 SiLU units, D2, 18 Heun steps, batch 4096. Float32, the same weights on every side.

A tolerance means different things. "ours, rms" means what diffrax's batched form and torchdiffeq mean: the root mean square of the batch's
errors is held under it, and single events may be tens of times worse. "ours" holds every event's error under it, as diffrax's vmapped form
does, and zuko every coordinate's. "ours at 1e-4" is the same at ten times the tolerance. So like is compared with like in the rows of "ours,
rms" against diffrax_batched and torchdiffeq and in those of "ours" against diffrax_vmapped and zuko; the errors beside them say the rest.

Every contender has a process of its own; the processes take turns, so that drift hits all alike, and figures are medians. Ours has two
host devices and runs as `jaxgen.log_prob`, `jaxgen.sample` and the compiled chunk of `jaxgen.fit` do. diffrax is jitted, with one solve
for the batch or one an event, torch eager with its own threads. `benchmarks/peers/dynamics/` says how each is built.
"""

import importlib
import statistics
from typing import Any

import numpy as np
from common import Worker, installed, options, report, row
from peers.dynamics.case import Case, figure

CNF, CFM = ("diffrax_batched", "diffrax_vmapped", "torchdiffeq", "zuko"), ("torchcfm",)
CASES = {
    "cnf D2": (Case("cnf", 2, 64, 3, "tanh"), CNF),
    "cnf D64": (Case("cnf", 64, 64, 3, "tanh"), CNF),
    "icfm D2": (Case("icfm", 2, 64, 4, "selu"), CFM),
    "otcfm D2": (Case("otcfm", 2, 64, 4, "selu"), CFM),
    "edm D2": (Case("edm", 2, 128, 4, "silu"), ("torch",)),
}
METRICS = {"cnf": ("log_prob", "gradient"), "icfm": ("train",), "otcfm": ("train",), "edm": ("sample",)}
UNITS = {"log_prob": "events/s", "gradient": "steps/s", "train": "steps/s", "sample": "events/s"}


def main() -> None:
    args = options(__doc__, only=list(CASES))
    if args.measure is not None:
        measure(**args.measure)
        return
    rows: list[dict[str, Any]] = []
    for name in args.only or CASES:
        print(name, flush=True)
        rows += throughput(name, args.quick)
    report(rows, args.out)


def throughput(name: str, quick: bool) -> list[dict[str, Any]]:
    """Ours against every peer of the case that is installed; for a CNF also in the other norm and at the looser tolerance, with the errors."""
    case, sides = CASES[name]
    peers = {side: f"{version}{side.removeprefix(side.split('_')[0])}" for side in sides if (version := installed(side.split("_")[0]))}
    ours = {"ours": name} | ({"ours_rms": f"{name}, ours, rms", "ours_looser": f"{name}, ours at 1e-4"} if case.kind == "cnf" else {})
    workers = {s: Worker(__file__, {"case": name, "side": s}, devices=2 if s in ours else 1) for s in (*ours, *peers)}
    rounds, seconds = (1, 0.2) if quick else (5, 0.5)
    # First, as some train the weights that they solve with.
    rows = errors(workers, ours, peers) if case.kind == "cnf" else []
    for metric in METRICS[case.kind]:
        seen: dict[str, list[float]] = {side: [] for side in workers}
        for i in range(rounds):
            for side in list(workers) if i % 2 == 0 else reversed(workers):
                seen[side].append(workers[side].ask({"metric": metric, "seconds": seconds}))
        medians = {side: statistics.median(values) for side, values in seen.items()}
        print(f"  {metric}: " + ", ".join(f"{side} {v:.4g}" for side, v in medians.items()), flush=True)
        for own, label in ours.items():
            rows += [row(label, metric, UNITS[metric], medians[own], peers[p], medians[p], more_is_better=True) for p in peers]
    for worker in workers.values():
        worker.close()
    return rows


def errors(workers: dict[str, Worker], ours: dict[str, str], peers: dict[str, str]) -> list[dict[str, Any]]:
    """The errors of the noise behind the events, whose coordinates are of order 1: the largest, and the root mean square."""
    truth = np.array(workers["ours"].ask({"metric": "truth"}))
    found = {side: np.array(worker.ask({"metric": "noise"})) - truth for side, worker in workers.items()}
    rows: list[dict[str, Any]] = []
    for metric, size in {"largest error": lambda e: np.abs(e).max(), "rms error": lambda e: np.sqrt(np.mean(e**2))}.items():
        sizes = {side: float(size(error)) for side, error in found.items()}
        print(f"  {metric}: " + ", ".join(f"{side} {v:.2g}" for side, v in sizes.items()), flush=True)
        rows += [row(label, metric, "1", sizes[own], peers[p], sizes[p]) for own, label in ours.items() for p in peers]
    return rows


def measure(case: str, side: str) -> None:
    """One process's part: answers its asker's questions."""
    contender = importlib.import_module(f"peers.dynamics.{side}").make(CASES[case][0])

    def answer(question: dict[str, Any]) -> Any:
        if question["metric"] in ("noise", "truth"):
            return np.asarray(contender[question["metric"]]()).tolist()
        return figure(contender[question["metric"]], question["seconds"])

    Worker.answer(answer)


if __name__ == "__main__":
    main()
