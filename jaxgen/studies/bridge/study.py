"""The study `bridge`: its question, the predictions that were written before the runs, its cells and its table."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from scipy.stats import norm

from jaxgen.studies.bridge.models import FAMILIES, REMEDIES
from jaxgen.studies.bridge.run import run
from jaxgen.studies.bridge.targets import TARGETS, TWO_MODES
from jaxgen.studies.study import Cell, Prediction, Row, Study, Table, Verdict

REMEDY_TARGETS = ("two_gaussians_8", "bananas", "rings")
CONTROL, LIFTING = "one Gaussian", ("mixture base", "clustered base", "index leaf")
ALLOWED = 0.01
"""The most nats by which a remedy may be worse."""
Judge: TypeAlias = Callable[[Sequence[Row]], Verdict]


def cells(quick: bool, seeds: Sequence[int]) -> list[Cell]:
    """List the runs: every family on every target, then the remedies, then the two readings of one diffusion.

    Args:
        quick: Whether to do a small part of them for fewer steps.
        seeds: The seeds.

    Returns:
        The cells.
    """
    size = {"events": 1_000, "samples": 8_192, "paths": 256 if quick else 1_024}
    families = ("coupling", "autoregressive", "generator") if quick else tuple(FAMILIES)
    targets = ("two_gaussians_8", "bananas", "rings") if quick else tuple(TARGETS)
    remedies = (CONTROL, *LIFTING) if quick else tuple(REMEDIES)
    fits = 600 if quick else 1_500
    result: list[Cell] = [
        {"part": "bounds", "model": model, "target": target, "seed": seed, "steps": 300, **size}
        for model in families
        for target in targets
        for seed in seeds[:4]
    ]
    result += [
        {"part": "remedies", "model": model, "target": target, "seed": seed, "steps": fits, **size}
        for target in REMEDY_TARGETS[: 2 if quick else None]
        for model in remedies
        for seed in seeds
    ]
    if not quick:
        result += [
            {"part": "readings", "model": "SDE reading", "target": target, "seed": seed, "steps": 2_000, **size}
            for target in REMEDY_TARGETS
            for seed in seeds
        ]
    return result


def _never_violated(rows: Sequence[Row]) -> Verdict:
    rows = [row for row in rows if row["part"] == "bounds"]
    scores = [row["local_z"] if row["local_z"] is not None else row["path_z"] for row in rows]
    tests = sum(max(row["tested"], 1) for row in rows)
    return _no_violation([score for score in scores if score is not None], tests, len(rows))


def _kl_never_violated(rows: Sequence[Row]) -> Verdict:
    scores = [row["kl_z"] for row in rows if row.get("kl_z") is not None]
    return _no_violation(scores, len(scores), len(scores))


def _no_violation(scores: Sequence[float], tests: int, runs: int) -> Verdict:
    if not scores:
        return Verdict(None, "No run has a score.")
    # Each test at the level of one in 740 that z = -3 has, shared among all tests.
    limit = float(norm.ppf(norm.cdf(-3) / tests))
    below = sum(score < limit for score in scores)
    evidence = (
        f"least z {min(scores):.2f} over {tests} tests of {runs} runs; {below} below {limit:.2f}, {sum(s < -3 for s in scores)} below -3"
    )
    return Verdict(below == 0, evidence)


def _predicts(rows: Sequence[Row]) -> Verdict:
    ratios = [row["path_ratio"] for row in rows if row["part"] == "bounds" and row["target"] in TWO_MODES and row["path_ratio"]]
    if not ratios:
        return Verdict(None, "No run on two modes.")
    mean = math.exp(float(np.mean(np.log(ratios))))
    close = float(np.mean([abs(ratio - 1) <= 0.1 for ratio in ratios]))
    low, high = np.quantile(ratios, [0.05, 0.95])
    evidence = f"geometric mean {mean:.3f} of {len(ratios)} runs, 90 % of them in [{low:.2f}, {high:.2f}], {close:.0%} within 10 %"
    return Verdict(abs(mean - 1) <= 0.1, evidence)


def _excess(rows: Sequence[Row], part: str, target: str, name: str, value: str) -> dict[int, tuple[float, float]]:
    """The excess mass of the bridge and the NLL of the runs of a part by seed, where `name` is the value of a column."""
    chosen = [row for row in rows if row["part"] == part and row["target"] == target and row[name] == value]
    return {row["seed"]: (row["bridge"] - row["real_bridge"], row["nll"]) for row in chosen}


def _compare(rows: Sequence[Row], part: str, name: str, control: str, remedy: str) -> tuple[int, int, list[str]]:
    """The number of targets on which a remedy halves the excess without a worse NLL, that of all, and the figures."""
    good, total, texts = 0, 0, []
    for target in REMEDY_TARGETS:
        before, after = (_excess(rows, part, target, name, value) for value in (control, remedy))
        seeds = sorted(set(before) & set(after))
        if not seeds:
            continue
        old, new = (float(np.mean([runs[seed][0] for seed in seeds])) for runs in (before, after))
        worse = float(np.mean([after[seed][1] - before[seed][1] for seed in seeds]))
        good, total = good + (new <= old / 2 and worse <= ALLOWED), total + 1
        texts.append(f"{target}: excess {old:.4f} -> {new:.4f}, NLL {worse:+.3f}")
    return good, total, texts


def _remedy(remedy: str, part: str = "remedies", name: str = "model", control: str = CONTROL) -> Judge:
    def judge(rows: Sequence[Row]) -> Verdict:
        good, total, texts = _compare(rows, part, name, control, remedy)
        return Verdict(good >= 2 if total >= 2 else None, f"{good} of {total} targets; {'; '.join(texts)}.")

    return judge


def _cells_of(row: Row) -> list[str]:
    def text(name: str) -> str:
        return "-" if row.get(name) is None else f"{row[name]:.4g}"

    score = "local_z" if row.get("local_z") is not None else "path_z"
    head = [row["part"], row["target"], row["model"], row.get("reading") or "-", str(row["seed"])]
    return head + [text(name) for name in ("bridge", "real_bridge", "stretch", "least", score, "path_ratio", "kl_part", "nll_gap", "kl_z")]


TABLE = Table(
    {
        "part": "Bounds, remedies or readings.",
        "target": "What was learned.",
        "model": "The family or the remedy.",
        "reading": "How a diffusion's params are read.",
        "seed": "Seed of data and training.",
        "bridge": "Share of the samples outside all sets.",
        "of data": "The same share of real data.",
        "stretch": "Left side of the local bound at the first set, by derivatives.",
        "least": "Its right side.",
        "z": "The least z of both sides over all sets; far below 0 would refute the bound.",
        "ratio": "Left over right side along paths of noise, for two modes.",
        "KL part": "The nats of the NLL gap that the masses of the sets explain.",
        "NLL gap": "Mean of log p_true - log p in nats; of a bound, at most.",
        "KL z": "NLL gap less KL part over the standard error.",
    },
    _cells_of,
)

STUDY = Study(
    name="bridge",
    question="What limits a map from one Gaussian to data in separated modes: is the mass between the modes bounded from below by the "
    "geometry of Gaussian space, for every architecture, and does removing the connected noise remove the bridge?",
    predictions=(
        Prediction(
            "The local bound holds in every run, whatever the family and the objective.",
            "A z below the Bonferroni limit of z = -3 over all tests.",
            _never_violated,
        ),
        Prediction(
            "The part of the NLL gap that the masses explain never exceeds the NLL gap.",
            "A z below the Bonferroni limit of z = -3.",
            _kl_never_violated,
        ),
        Prediction(
            "On targets of two modes trained models waste nothing: both sides agree within 10 % in the geometric mean.",
            "A geometric mean of measured over bound outside [.9, 1.1].",
            _predicts,
        ),
        *(
            Prediction(
                f"{remedy.capitalize()}: it at least halves the excess mass of the bridge and is at most .01 nats worse, on two targets or more.",
                "Fewer than two targets on which both hold in the mean over seeds.",
                _remedy(remedy),
            )
            for remedy in LIFTING
        ),
        Prediction(
            "The ancestral reading of a diffusion has at most half the excess of its deterministic reading, on two targets or more.",
            "Fewer than two targets on which it has, or an NLL (a bound for both) that is worse by more than .01.",
            _remedy("ancestral", "readings", "reading", "ddim"),
        ),
    ),
    cells=cells,
    run=run,
    table=TABLE,
    quick_minutes=5,
    full_minutes=40,
)
