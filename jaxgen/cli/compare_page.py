"""What a comparison writes and prints after each entry: results.json, the page, and a line."""

import json
from typing import Any

import jax

from jaxgen import viz
from jaxgen.atomic import write_json
from jaxgen.cli.compare_entry import BATCH, Run, picture_name
from jaxgen.cli.leaderboard import leaderboards
from jaxgen.cli.run_folder import plain
from jaxgen.evaluation.tracks import shared_uniforms
from jaxgen.viz.atlas.page import stored_section


def write_results(run: Run, results: list[dict[str, Any]]) -> None:
    """Write `results.json` and the page.

    Args:
        run: What all entries share.
        results: The rows that are done.
    """
    write_json(run.out / "results.json", [plain(r) for r in results])
    pictures, panels = {}, {}
    for r in results:
        path = run.out / "pictures" / picture_name(r["model"], r["seed"])
        if path.is_file() and r["model"] not in pictures:
            pictures[r["model"]] = path.read_bytes()
            if path.with_suffix(".json").is_file():
                panels[r["model"]] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    atlas = stored_section(list(panels.values()), shared_uniforms()) if panels else None
    entropy = run.dataset.entropy
    beside = {} if run.beside is None else {"held-out NLL": f"{run.beside}"}
    settings = {
        "data": run.data,
        "training events": len(run.dataset.train),
        "event": f"{run.dataset.train.shape[1]} {'numbers' if run.dataset.levels is None else f'codes of {run.dataset.levels}'}",
        "true entropy": "not known" if entropy is None else f"{entropy:.4f} nats",
        "sampling parameters": f"{run.num_params:,} each",
        "equal": run.settings["equal"],
        "batch": min(BATCH, len(run.dataset.train)),
        "test events": len(run.real.x),
        **beside,
        "jax": jax.__version__,
        "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
    }
    whole = run.dataset.train.shape[1] == 2 or run.dataset.levels is not None
    notes = [] if whole else ["Events have more than two coordinates; the pictures show the first two."]
    notes += _alarms(results)
    boards = leaderboards(results)
    viz.write_report(run.out / "report.html", f"jaxgen compare: {run.data}", results, pictures, settings, notes, atlas, boards)


def _alarms(results: list[dict[str, Any]]) -> list[str]:
    """Return a note for each alarm of a detector, and one that says how many detectors were silent."""
    found = [(r["model"], r["seed"], finding) for r in results for finding in r.get("detectors", ())]
    alarms = [f"{model}, seed {seed}: {finding['name']}: {finding['text']}." for model, seed, finding in found if finding["alarm"]]
    silent = len(found) - len(alarms)
    return [*alarms, f"Detectors of known failures: {len(alarms)} alarms, {silent} silent."] if found else []


def line_of(r: dict[str, Any]) -> str:
    """Return the line of the terminal that says how an entry has done."""
    if r["status"] != "ok":
        return f"{r['model']}: {r['status']}"
    nll = "implicit" if r["nll"] is None else f"nll {r['nll']:.3f} ({r['nll_kind']})"
    if r["nll"] is not None and r.get("nll_mixture") is not None:
        nll += f" beside {r['nll_gaussian']:.3f} of a Gaussian and {r['nll_mixture']:.3f} of a mixture"
    said = f", {r['verdict']}" if r.get("verdict") else ""
    if r.get("shape_error") is not None:
        said += f", shape error {r['shape_error']:.3f}, trend error {r.get('trend_error', 0):.3f}"
        said += f", detection AUC {r['detection_auc']:.3f}" if "detection_auc" in r else ""
    speed = f"{r['samples_per_second']:,.0f} samples/s, trained in {r['train_seconds']:.1f} s"
    return f"{r['model']}: {nll}{said}, sliced W2 {r['sliced_w2']:.3f}, {speed}"
