"""The leaderboard of a comparison: one for samples, one for each kind of density, and none where there is nothing to rank."""

import math

from jaxgen.cli.leaderboard import leaderboards, lines
from jaxgen.viz import write_report


def row(model, seed, w2, nll=None, kind=None, speed=1e3, status="ok"):
    return {
        "model": model, "family": "f", "seed": seed, "status": status, "sliced_w2": w2, "nll": nll, "nll_kind": kind, "samples_per_second": speed,
    }  # fmt: skip


def rows():
    wobble = (0.0, 0.01, -0.005, 0.002)
    flow = [row("flow", s, 0.2 + e, 1.2 + e, "exact", 5e5) for s, e in enumerate(wobble)]
    slow = [row("slow", s, 0.1 + 2 * e, 1.0 + 2 * e, "exact", 1e4) for s, e in enumerate(wobble)]
    gan = [row("gan", s, 0.3 - e, speed=1e5) for s, e in enumerate(wobble)]
    vae = [row("vae", s, 0.4 + e, 0.5 + e, "lower_bound", 1e5) for s, e in enumerate(wobble)]
    return [*flow, *slow, *gan, *vae]


def test_samples_are_ranked_for_all_and_likelihoods_among_one_kind():
    samples, likelihood = leaderboards(rows())
    assert [(r["rank"], r["model"]) for r in samples["rows"]] == [(1, "slow"), (2, "flow"), (3, "gan"), (4, "vae")]
    # The bound of 0.5 is not compared with exact densities, and is alone among bounds.
    assert likelihood["title"] == "Likelihood, exact" and [r["model"] for r in likelihood["rows"]] == ["slow", "flow"]


def test_the_front_holds_what_nothing_beats_in_both():
    samples = leaderboards(rows())[0]
    assert {r["model"] for r in samples["rows"] if r["front"]} == {"slow", "flow"}


def test_failed_runs_and_missing_figures_count_for_nothing():
    broken = [row("slow", 9, 100.0, status="failed: why"), row("gan", 9, math.nan)]
    assert leaderboards([*rows(), *broken]) == leaderboards(rows())


def test_one_seed_orders_nothing():
    assert leaderboards([r for r in rows() if r["seed"] == 0]) == [] and lines([]) == []


def test_the_page_and_the_terminal_say_the_same(tmp_path):
    boards = leaderboards(rows())
    write_report(tmp_path / "report.html", "t", rows(), {}, {}, (), None, boards)
    page, said = (tmp_path / "report.html").read_text(encoding="utf-8"), "\n".join(lines(boards))
    assert page.count('class="board"') == 2 and page.count("●") == sum(r["front"] for b in boards for r in b["rows"])
    for board in boards:
        for place in board["rows"]:
            number = f"{place['mean']:.3f}"
            assert number in page and f"{place['model']}: {number} [{place['low']:.3f}" in said
