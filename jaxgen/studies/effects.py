"""Rows of studies that compare arms: each row is one figure and names the arm that it is compared with; effects are paired over seeds."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgen.studies.paired import Effect, paired
from jaxgen.studies.study import Row
from jaxgen.viz import Run, Section

COLUMNS = {
    "protocol": "What is held equal.",
    "arm": "What was trained.",
    "against": "The arm that it is compared with.",
    "figure": "What is measured.",
    "before": "The mean over seeds of the arm that it is compared with.",
    "after": "The mean over seeds of the arm.",
    "effect": "After over before (x), or after minus before (+), with its 95 % interval.",
    "p": "The p-value of no effect, by the paired t-test; the p-values of a page are not corrected for their number.",
    "pairs": "The number of seeds.",
}


class Comparison(NamedTuple):
    """Hold the effect of one arm on one figure.

    Attributes:
        labels: The values of the fields that say what is compared, by name.
        before: The mean over seeds of the arm that it is compared with.
        after: The mean over seeds of the arm.
        effect: The effect, paired over seeds.
        ratio: Whether the effect is a factor; otherwise it is a difference.
    """

    labels: dict[str, Any]
    before: float
    after: float
    effect: Effect
    ratio: bool


def figure_rows(
    figures: Mapping[str, float],
    *,
    protocol: str,
    arm: str,
    against: str | None = None,
    differences: Collection[str] = (),
    **labels: Any,
) -> list[Row]:
    """Return one row for each figure of an arm.

    Args:
        figures: The values by the names of the figures.
        protocol: What is held equal, for example "equal steps".
        arm: The name of the arm.
        against: The arm of the same protocol that this one is compared with; None for an arm that is only compared with.
        differences: The names of the figures whose effects are differences, such as nats; those of all others, which are positive, are
            factors.
        **labels: Further fields of the rows.

    >>> figure_rows({"sw2": 0.1}, protocol="equal steps", arm="plain")[0]["value"]
    0.1
    """
    head = {**labels, "protocol": protocol, "arm": arm, "against": against}
    return [{**head, "figure": n, "ratio": n not in differences, "value": float(value)} for n, value in figures.items()]


def comparison(rows: Sequence[Row], **labels: Any) -> Comparison | None:
    """Compare an arm with the one it names, over the seeds that have both.

    Args:
        rows: Rows of `figure_rows` with the field "seed".
        **labels: The fields that pick the arm and its figure.

    Returns:
        The comparison, or None if fewer than two seeds have both, or a figure is not finite.

    Raises:
        ValueError: The fields pick several figures of one seed, or arms that are compared with different ones.

    >>> rows = [{"seed": s, **row} for s in (0, 1) for row in figure_rows({"w": 2.0 + s}, protocol="p", arm="a")]
    >>> rows += [{"seed": s, **row} for s in (0, 1) for row in figure_rows({"w": 1.0 + s / 2}, protocol="p", arm="b", against="a")]
    >>> comparison(rows, arm="b", figure="w").effect.mean
    0.5
    """
    chosen = [row for row in rows if _has(row, labels)]
    if not chosen:
        return None
    names = {row["against"] for row in chosen}
    after = _by_seed(chosen, labels)
    if len(names) > 1 or None in names:
        raise ValueError(f"comparison: {labels}; accepted: fields that pick one arm with one other arm that it is compared with.")
    others = {name: value for name, value in labels.items() if name != "against"} | {"arm": names.pop()}
    shared = {"protocol": chosen[0]["protocol"], "figure": chosen[0]["figure"]}
    before = _by_seed([row for row in rows if _has(row, {**others, **shared})], others)
    seeds = [seed for seed in after if seed in before]
    pairs = np.asarray([[before[seed], after[seed]] for seed in seeds]).reshape(-1, 2)
    if len(seeds) < 2 or not np.isfinite(pairs).all():
        return None
    ratio = bool(chosen[0]["ratio"])
    effect = paired(pairs[:, 0].tolist(), pairs[:, 1].tolist(), ratio=ratio)
    return Comparison(labels, float(pairs[:, 0].mean()), float(pairs[:, 1].mean()), effect, ratio)


def effects_section(rows: Sequence[Row], heading: str, text: str, by: Sequence[str] = ()) -> Section:
    """Return a section of a page with all effects that the rows hold.

    Args:
        rows: Rows of `figure_rows` with the field "seed".
        heading: The heading of the section.
        text: Its paragraph.
        by: Further fields that tell comparisons apart; they are the first columns.

    >>> effects_section([], "Effects", "None yet.").runs
    []
    """
    fields = (*by, "protocol", "arm", "against", "figure")
    picks = dict.fromkeys(tuple(row[name] for name in fields) for row in rows if row["against"] is not None)
    runs = []
    for pick in picks:
        result = comparison(rows, **dict(zip(fields, pick, strict=True)))
        if result is not None:
            effect, sign = result.effect, "x" if result.ratio else "+"
            between = f"{sign} {effect.mean:.3g} [{effect.low:.3g}, {effect.high:.3g}]"
            p = "< .001" if effect.p < 1e-3 else f"{effect.p:.3f}".replace("0.", ".", 1)
            runs.append(Run([*map(str, pick), f"{result.before:.4g}", f"{result.after:.4g}", between, p, str(effect.pairs)]))
    return Section(heading, text, columns={**{name: f"The {name}." for name in by}, **COLUMNS}, runs=runs)


def _has(row: Row, labels: Mapping[str, Any]) -> bool:
    return all(row.get(name) == value for name, value in labels.items())


def _by_seed(rows: Sequence[Row], labels: Mapping[str, Any]) -> dict[int, float]:
    values: dict[int, float] = {}
    for row in rows:
        if row["seed"] in values:
            raise ValueError(f"comparison: {labels} with several figures of seed {row['seed']}; accepted: fields that pick one a seed.")
        values[row["seed"]] = row["value"]
    return values
