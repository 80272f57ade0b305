"""Flows against the best peer of each case: log_prob and sample in events/s, training in steps/s, whole fits in seconds, compile growth.

Same architecture on both sides: realnvp (8 affine couplings), rqs (4 rational-quadratic couplings, 8 bins), maf (5 MADE layers); 2 hidden
layers of silu. Batches of 4,096 events, training batches of 256 with Adam on the likelihood, float32. Every contender has a process of its
own with one host device (ours: two, over which it splits its batches); the processes take turns, so that drift hits
all alike, and figures are medians. Peers run in their best native form: jitted functions and a jitted train step where they are in JAX,
which is called per step; eager torch elsewhere. Ours trains K steps in a scan, as `jaxgen.fit` does. A fit is timed in a fresh process,
"cold" without a compilation cache and "warm" with the one that the fit before it left. Fractions are of the matmul rate that JAX reaches on
2048 x 2048 in the same round, and count matmul FLOPs only. `benchmarks/peers/` says how each contender is built.
"""

import importlib
import json
import statistics
import tempfile
from typing import Any

from common import Worker, alone, installed, matmul_peak, options, report, row
from peers.contender import Case, figure

CASES = {
    "realnvp D2": Case("realnvp", 2, 64, 8),
    "realnvp D64": Case("realnvp", 64, 128, 8),
    "rqs D2": Case("rqs", 2, 64, 4),
    "rqs D64": Case("rqs", 64, 128, 4),
    "maf D16": Case("maf", 16, 64, 5),
}
FITS = {"fit realnvp D2": ("realnvp D2", ("distrax", "flowjax fit_to_data")), "fit rqs D2": ("rqs D2", ("bijx", "flowjax fit_to_data"))}
GROWTH = {"layers realnvp D2": "realnvp D2", "layers rqs D2": "rqs D2"}
PEERS = ("distrax", "surjectors", "bijx", "flowjax", "nflows", "normflows", "zuko")
METRICS = {"log_prob": "events/s", "sample": "events/s", "train": "steps/s"}
PEAK = "matmul 2048 x 2048"


def main() -> None:
    args = options(__doc__, only=[*CASES, *FITS, *GROWTH], peers=PEERS)
    if args.measure is not None:
        measure(**args.measure)
        return
    rows: list[dict[str, Any]] = []
    peers = {name: version for name in args.peers or PEERS if (version := installed(name))}
    for name in args.only or (*CASES, *FITS, *GROWTH):
        print(name, flush=True)
        if name in CASES:
            rows += throughput(name, peers, args.quick)
        elif name in FITS:
            rows += fits(name, peers, args.quick)
        else:
            rows += growth(name)
    report(rows, args.out)


def throughput(name: str, peers: dict[str, str], quick: bool) -> list[dict[str, Any]]:
    """Ours against the best peer, and the fraction of the matmul peak that ours and the best peer reach."""
    workers = {side: Worker(__file__, {"case": name, "side": side}, devices=2 if side == "ours" else 1) for side in ("ours", *peers)}
    rounds, duration = (1, 0.2) if quick else (5, 0.5)
    rows: list[dict[str, Any]] = []
    for metric, unit in METRICS.items():
        seen: dict[str, list[float]] = {side: [] for side in workers}
        peak: list[float] = []
        for i in range(rounds):
            for side in list(workers) if i % 2 == 0 else reversed(workers):
                seen[side].append(workers[side].ask({"metric": metric, "seconds": duration}))
            peak.append(workers["ours"].ask({"metric": PEAK, "seconds": duration}))
        medians = {side: statistics.median(v) for side, v in seen.items() if v[0] > 0}
        print(f"  {metric}: " + ", ".join(f"{side} {v:.4g}" for side, v in medians.items()), flush=True)
        ours = medians.pop("ours")
        best = max(medians, key=lambda side: medians[side])
        rows.append(row(name, metric, unit, ours, peers[best], medians[best], more_is_better=True))
        flops = CASES[name].matmul_flops() * (3 * 256 if metric == "train" else 1)
        fraction = ours * flops / statistics.median(peak)
        rows.append(row(name, f"{metric}, fraction of matmul peak", "", fraction, PEAK, 1.0, more_is_better=True))
    for worker in workers.values():
        worker.close()
    return rows


def fits(name: str, peers: dict[str, str], quick: bool) -> list[dict[str, Any]]:
    """Seconds of a fit with compilation, cold and with a warm cache, against the best peer's loop and against flowjax's own."""
    case, sides = FITS[name]
    steps, rounds = (200, 1) if quick else (2_000, 3)
    seen: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as cache:

        def time_of(label: str, side: str, cache: str | None = None) -> None:
            figures = alone(__file__, {"case": case, "side": side, "steps": steps}, 2 if side == "ours" else 1, cache)
            seen.setdefault(label, []).append(figures["seconds"])
            print(f"  {label} {figures['seconds']:.3g} s", flush=True)

        alone(__file__, {"case": case, "side": "ours", "steps": steps}, 2, cache)
        for _ in range(rounds):
            time_of("ours cold", "ours")
            time_of("ours warm", "ours", cache)
            for side in sides:
                if side.split()[0] in peers:
                    time_of(side, side)
    medians = {label: statistics.median(v) for label, v in seen.items()}
    rivals = [(f"{peers[side.split()[0]]}{side.removeprefix(side.split()[0])}", medians[side]) for side in sides if side in medians]
    return [
        row(name, f"{steps} steps with compile, {kind}", "s", medians[f"ours {kind}"], peer, theirs)
        for peer, theirs in rivals
        for kind in ("cold", "warm")
    ]


def growth(name: str) -> list[dict[str, Any]]:
    """What 64 layers compile in, against 4; the least of three times, as neighbours only add to it."""
    runs = {n: [alone(__file__, {"case": GROWTH[name], "side": "growth", "layers": n}) for _ in range(3)] for n in (4, 64)}
    found = {n: {unit: min(run[unit] for run in of) for unit in of[0]} for n, of in runs.items()}
    return [
        row(name, f"{what} of a gradient, 64 layers against 4", unit, found[64][unit], "ours, 4 layers", found[4][unit])
        for what, unit in (("compile time", "seconds"), ("size of the HLO", "bytes"))
    ]


def measure(case: str, side: str, steps: int | None = None, layers: int | None = None) -> None:
    """One process's part: answers its asker's questions, or prints its one figure."""
    if steps is not None:
        from peers.fits import seconds

        print(json.dumps({"seconds": seconds(side, CASES[case], steps)}))
    elif layers is not None:
        from peers.ours import growth as of_layers

        print(json.dumps(of_layers(CASES[case]._replace(num_layers=layers))))
    else:
        contender = importlib.import_module(f"peers.{side}").make(CASES[case])
        Worker.answer(lambda question: matmul_peak(question["seconds"]) if question["metric"] == PEAK else ask(contender, **question))


def ask(contender: Any, metric: str, seconds: float) -> float:
    """The figure, or 0 where the library has no such flow."""
    return 0.0 if contender is None else figure(contender, metric, seconds)


if __name__ == "__main__":
    main()
