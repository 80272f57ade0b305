"""The leaderboards of `jaxgen compare`: which model is better than which beyond the luck of a seed, and which are worth their time."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jaxgen.evaluation import pareto_front

if TYPE_CHECKING:
    from jaxgen.studies import Place

Result = Mapping[str, Any]

SAMPLES = ("sliced_w2", "Samples", "sliced W₂ between samples and held-out data")


def leaderboards(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Rank the models of a comparison over their seeds: by their samples, and by their likelihood among densities of one kind.

    Args:
        results: The rows of `results.json`.

    Returns:
        One mapping for each leaderboard with at least two models, of which one has at least two seeds: `title`, `meaning` and `rows`, each
        with `rank`, `model`, `mean`, `low`, `high` (None for one seed), `seeds`, `samples_per_second` and `front`, which says whether no
        other model is both faster and better.
    """
    measured = [r for r in results if r["status"] == "ok"]
    kinds = dict.fromkeys(r["nll_kind"] for r in measured if r.get("nll") is not None)
    of_kinds = [("nll", f"Likelihood, {str(kind).replace('_', ' ').lower()}", "negative log-likelihood in nats", kind) for kind in kinds]
    boards = [_board(measured, *SAMPLES), *(_board([r for r in measured if r["nll_kind"] == kind], *said) for *said, kind in of_kinds)]
    return [board for board in boards if board is not None]


def lines(boards: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the leaderboards as lines for a terminal.

    Args:
        boards: What `leaderboards` returned.
    """
    said = []
    for board in boards:
        said.append(f"{board['title']}: {board['meaning']}, mean over seeds with a 95 % interval")
        for row in board["rows"]:
            within = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
            speed = f"{row['samples_per_second']:,.0f} samples/s{', on the front of speed and quality' if row['front'] else ''}"
            said.append(f"  {row['rank']:2}  {row['model']}: {row['mean']:.3f}{within}, {speed}")
    return said


def _board(results: Sequence[Result], field: str, title: str, meaning: str) -> dict[str, Any] | None:
    figures: dict[str, dict[int, float]] = {}
    speeds: dict[str, list[float]] = {}
    for r in results:
        if r.get(field) is not None and math.isfinite(r[field]):
            figures.setdefault(r["model"], {})[r["seed"]] = r[field]
            speeds.setdefault(r["model"], []).append(r["samples_per_second"])
    if len(figures) < 2 or max(map(len, figures.values())) < 2:
        return None
    from jaxgen.studies import ranking  # a comparison of one seed does not wait for all studies to be imported

    rows = [_row(place, speeds[place.name]) for place in ranking(figures)]
    front = pareto_front([{"status": "ok", "samples_per_second": r["samples_per_second"], "quality": r["mean"]} for r in rows])
    return {"title": title, "meaning": meaning, "rows": [{**row, "front": on} for row, on in zip(rows, front, strict=True)]}


def _row(place: "Place", speeds: Sequence[float]) -> dict[str, Any]:
    low, high = (None, None) if place.seeds < 2 else (place.low, place.high)
    speed = sorted(speeds)[len(speeds) // 2]
    return {
        "rank": place.rank, "model": place.name, "mean": place.mean, "low": low, "high": high, "seeds": place.seeds, "samples_per_second": speed,
    }  # fmt: skip
