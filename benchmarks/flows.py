"""Flows against the best peer of each case: log_prob and sample in events/s, training in steps/s, whole fits in seconds, compile growth.

Same architecture on both sides: realnvp (8 affine couplings), rqs (4 rational-quadratic couplings, 8 bins), maf (5 MADE layers); 2 hidden
layers of silu. Batches of 4,096 events, training batches of 256 with Adam on the likelihood, float32.

Each library has two columns. A JAX peer runs on equal terms, with the two host devices, a scan over training steps, the compiler's options and
the placed inputs that ours has (`benchmarks/peers/equal.py`), and as its documentation runs it: one device, jitted functions and a jitted
train step that a Python loop calls. A torch peer runs eager, and compiled by `torch.compile` where that works (`--torch` chooses). Ours runs on two
devices, and on one. Every column is a process of its own; the processes take turns, so that drift hits all alike, and figures are medians.
The rows say first how ours stands to the best peer on equal terms, then to the best as documented.

Ours trains K steps in a scan, as `jaxgen.fit` does, with its moving average and checks. A fit is timed in a fresh process,
"cold" without a compilation cache and "warm" with the one that the fit before it left. Fractions are of the matmul rate that JAX reaches on
2048 x 2048 in the same round, and count matmul FLOPs only. `benchmarks/peers/` says how each contender is built. `--cache FOLDER` keeps
compiled programs, so that a first run with `--quick` compiles what the second one measures. `--clock cpu` counts the seconds of all cores that
a process has used in place of those that have passed: what a batch costs, which neighbours on a shared machine hardly change.
"""

import importlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from common import Worker, alone, installed, matmul_peak, options, report, row
from peers.contender import CLOCK, COMPILED, Case, figure

CASES = {
    "realnvp D2": Case("realnvp", 2, 64, 8),
    "realnvp D64": Case("realnvp", 64, 128, 8),
    "rqs D2": Case("rqs", 2, 64, 4),
    "rqs D64": Case("rqs", 64, 128, 4),
    "maf D16": Case("maf", 16, 64, 5),
}
FITS = {"fit realnvp D2": ("realnvp D2", ("distrax", "flowjax fit_to_data")), "fit rqs D2": ("rqs D2", ("bijx", "flowjax fit_to_data"))}
GROWTH = {"layers realnvp D2": "realnvp D2", "layers rqs D2": "rqs D2"}
JAX_PEERS, TORCH_PEERS = ("distrax", "surjectors", "bijx", "flowjax"), ("nflows", "normflows", "zuko")
PEERS = (*JAX_PEERS, *TORCH_PEERS)
METRICS = {"log_prob": "events/s", "sample": "events/s", "train": "steps/s"}
PEAK = "matmul 2048 x 2048"


class Column(NamedTuple):
    """A way to run a library: how it is called, the number of devices, whether torch compiles, and whether it has what ours has."""

    side: str
    form: str
    devices: int = 1
    compiled: bool = False
    equal: bool = False

    def worker(self, case: str, cache: str | None) -> Worker:
        return Worker(__file__, {"case": case, "side": self.side}, self.devices, cache=cache, **({COMPILED: "1"} if self.compiled else {}))


OURS, OURS_ALONE = Column("ours", "two devices", 2, equal=True), Column("ours", "one device")


def columns(peers: Iterable[str], torch: Sequence[str]) -> list[Column]:
    found = [OURS, OURS_ALONE]
    for peer in peers:
        if peer in JAX_PEERS:
            found += [Column(peer, "equal terms", 2, equal=True), Column(peer, "as documented")]
        else:
            # torch gives its own threads the cores.
            found += [Column(peer, form, compiled=form == "compiled", equal=True) for form in torch]
    return found


def main() -> None:
    args = options(__doc__, only=[*CASES, *FITS, *GROWTH], peers=PEERS, torch=("eager", "compiled"), cache=None, clock=("cpu",))
    if args.measure is not None:
        measure(**args.measure)
        return
    # Every worker inherits it.
    os.environ[CLOCK] = "cpu" if args.clock else "wall"
    rows: list[dict[str, Any]] = []
    peers = {name: version for name in args.peers or PEERS if (version := installed(name))}
    for name in args.only or (*CASES, *FITS, *GROWTH):
        print(name, flush=True)
        if name in CASES:
            rows += throughput(name, peers, args.quick, columns(peers, args.torch or ("eager", "compiled")), args.cache)
        elif name in FITS:
            rows += fits(name, peers, args.quick)
        else:
            rows += growth(name)
    report(rows, args.out)


def throughput(name: str, peers: dict[str, str], quick: bool, contenders: list[Column], cache: str | None) -> list[dict[str, Any]]:
    """Ours against the best peer on equal terms and as documented, and the fraction of the matmul peak that ours reaches."""
    workers = {column: column.worker(name, cache) for column in contenders}
    rounds, duration = (1, 0.05) if quick else (5, 0.4)
    rows: list[dict[str, Any]] = []
    for metric, unit in METRICS.items():
        seen: dict[Column, list[float]] = {column: [] for column in workers}
        peak: list[float] = []
        for i in range(rounds):
            for column in list(workers) if i % 2 == 0 else reversed(workers):
                seen[column].append(workers[column].ask({"metric": metric, "seconds": duration}))
            peak.append(workers[OURS].ask({"metric": PEAK, "seconds": duration / 4}))
        medians = {column: statistics.median(v) for column, v in seen.items() if v[0] > 0}
        print(f"  {metric}: " + ", ".join(f"{c.side} ({c.form}) {v:.4g}" for c, v in medians.items()), flush=True)
        ours = medians.pop(OURS)
        alone = medians.pop(OURS_ALONE)
        for equal, own in ((True, ours), (False, ours), (False, alone)):
            theirs = {column: v for column, v in medians.items() if column.equal == equal or column.side in TORCH_PEERS}
            if theirs:
                best = max(theirs, key=lambda column: theirs[column])
                label = metric if own is ours else f"{metric}, ours on one device"
                rows.append(row(name, label, unit, own, f"{peers[best.side]}, {best.form}", theirs[best], more_is_better=True))
        if os.environ[CLOCK] == "cpu":
            continue
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
    """The figure, or 0 where the library has no such flow or torch cannot compile it."""
    if contender is None:
        return 0.0
    try:
        return figure(contender, metric, seconds)
    except Exception as error:
        if not os.environ.get(COMPILED):
            raise
        print(f"  not compiled: {type(error).__name__}: {str(error).splitlines()[0][:200]}", file=sys.stderr, flush=True)
        return 0.0


if __name__ == "__main__":
    main()
