"""This checkout against another one of jaxgen, such as the state before a change: density, sampling and training speed, and compile time.

`--before PATH` is a checkout of the other revision. Every revision runs its own `flows.py` and `dynamics.py` (the side "ours" of their cases)
on its own `jaxgen`, in a process with two host devices; the processes take turns (before, after, after, before ...), so that drift hits both
alike. Figures are medians over 7 rounds, or 21 of flows; beside them are the quartiles of the ratio of one round, and where those lie
far apart the machine had other work. "compile" is the time that tracing and compiling one training step takes, without a persistent cache and
after `jax.clear_caches()`, for every entry of the zoo: vectors at d = 2 with default options, images of 4 x 4 pixels with the options of
`zoo.small`; it says too whether both compile the same program. "lines of the program" counts the traced step's StableHLO, which does not
depend on the machine. A ratio above 1 means that this checkout is better. With `--share i/n` only every n-th case is measured, from the i-th
on; a checkout of the same revision as `--before` shows what the machine's noise is.
"""

import argparse
import contextlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from common import Worker, options, report, row

ROOT = Path(__file__).resolve().parents[1]
DEVICES, COMPILES = 2, 7
ROUNDS = {"flows": (21, 0.15), "dynamics": (7, 0.5)}
"""How many rounds, and how many seconds each: a solve takes a tenth of a second or more."""
CNF = ("log_prob", "gradient")
CASES = {
    "flows": dict.fromkeys(("realnvp D2", "realnvp D64", "rqs D2", "rqs D64", "maf D16"), ("log_prob", "sample", "train")),
    "dynamics": {"cnf D2": CNF, "cnf D64": CNF, "icfm D2": ("train",), "otcfm D2": ("train",), "edm D2": ("sample",)},
}
UNITS = {"log_prob": "events/s", "sample": "events/s", "gradient": "steps/s", "train": "steps/s"}
COMPILE = {"seconds": ("trace and compile a training step", "s"), "lines": ("lines of the program", "1")}
PARTS = (*CASES, "compile")

Answers = dict[str, list[Any]]


def main() -> None:
    args = options(__doc__, only=PARTS, before=None, share=None)
    if args.measure is not None:
        from peers.compiling import seconds

        Worker.answer(lambda question: seconds(**question))
        return
    checkouts = {"ours": ROOT, "before": checkout(args.before)}
    rows: list[dict[str, Any]] = []
    for part in args.only or PARTS:
        rows += compiling(checkouts, args) if part == "compile" else throughput(part, checkouts, args)
    report(rows, args.out)


def checkout(before: str | None) -> Path:
    """The folder of the other revision; SystemExit where it is none."""
    path = Path(before or "").resolve()
    if before is None or not (path / "jaxgen").is_dir() or not (path / "benchmarks" / "flows.py").is_file():
        raise SystemExit(f"revisions: before={before!r}; accepted: a checkout of jaxgen with its benchmarks.")
    return path


def shared(cases: Sequence[Any], share: str | None) -> list[Any]:
    """The cases of share "i/n": every n-th, from the i-th on."""
    first, every = (1, 1) if share is None else map(int, share.split("/"))
    return list(cases)[first - 1 :: every]


@contextlib.contextmanager
def workers_of(checkouts: Mapping[str, Path], script: str | None, what: Mapping[str, Any]) -> Iterator[dict[str, Worker]]:
    """One worker a revision, on `script` of its own benchmarks, or on this file where the revision may have none."""
    scripts = {side: str(root / "benchmarks" / script) if script else __file__ for side, root in checkouts.items()}
    workers = {side: Worker(scripts[side], what, devices=DEVICES, root=root) for side, root in checkouts.items()}
    yield workers
    for worker in workers.values():
        worker.close()


def rounds(workers: dict[str, Worker], question: Mapping[str, Any], num: int) -> Answers:
    """What every worker answers in each of `num` rounds, whose order is reversed every other time."""
    answers: Answers = {side: [] for side in workers}
    for i in range(num):
        for side in reversed(workers) if i % 2 == 0 else workers:
            answers[side].append(workers[side].ask(question))
    return answers


def compared(case: str, metric: str, unit: str, answers: Mapping[str, Sequence[float]], *, more_is_better: bool) -> dict[str, Any]:
    """The row of the medians, after printing them with the quartiles of the ratios of single rounds."""
    ours, before = (statistics.median(answers[side]) for side in ("ours", "before"))
    result = row(case, metric, unit, ours, "before", before, more_is_better=more_is_better)
    pairs = sorted((a / b if more_is_better else b / a) for a, b in zip(answers["ours"], answers["before"], strict=True))
    low, high = pairs[len(pairs) // 4], pairs[-1 - len(pairs) // 4]
    print(f"  {case} {metric}: {ours:.4g} {unit}, before {before:.4g}, ratio {result['ratio']:.3f} ({low:.3f} to {high:.3f})", flush=True)
    return result


def throughput(part: str, checkouts: Mapping[str, Path], args: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of `flows.py` or `dynamics.py`, whose worker of a case is asked for one figure after the other."""
    num, seconds = (1, 0.1) if args.quick else ROUNDS[part]
    rows: list[dict[str, Any]] = []
    for case in shared(tuple(CASES[part]), args.share):
        with workers_of(checkouts, f"{part}.py", {"case": case, "side": "ours"}) as workers:
            for metric in CASES[part][case]:
                answers = rounds(workers, {"metric": metric, "seconds": seconds}, num)
                rows.append(compared(case, metric, UNITS[metric], answers, more_is_better=True))
    return rows


def compiling(checkouts: Mapping[str, Path], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Two rows an entry: the time and the size of its training step."""
    rows: list[dict[str, Any]] = []
    with workers_of(checkouts, None, {}) as workers:
        for entry in shared(workers["ours"].ask({"entry": None}), args.share):
            answers = rounds(workers, {"entry": entry}, 1 if args.quick else COMPILES)
            case = f"{entry[0]} {'image' if len(entry[1]) > 1 else 'vector'}"
            say_alike(case, {side: given[0] for side, given in answers.items()})
            for figure, (metric, unit) in COMPILE.items():
                figures = {side: [answer[figure] for answer in given] for side, given in answers.items()}
                rows.append(compared(case, metric, unit, figures, more_is_better=False))
            if args.quick and len(rows) >= 4:
                break
    return rows


def say_alike(case: str, answers: Mapping[str, Mapping[str, Any]]) -> None:
    """Print whether the revisions compile the same program, and whether it is at least that of a model of the same size."""
    alike = {what: len({answer[what] for answer in answers.values()}) == 1 for what in ("digest", "params")}
    said = "another model" if not alike["params"] else "the same program" if alike["digest"] else "another program"
    print(f"  {case}: {said}", flush=True)


if __name__ == "__main__":
    main()
