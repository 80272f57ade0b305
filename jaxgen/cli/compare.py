"""`jaxgen compare`: every entry on the same data, and one page that shows them side by side."""

import os
import sys
import time
import traceback
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen import data as datasets
from jaxgen import viz
from jaxgen.cli import arguments
from jaxgen.cli.picture import density_grid, follow, picture
from jaxgen.cli.run_folder import clear, earlier_rows, open_folder
from jaxgen.evaluation import Reference, evaluate, mean_nfe, reference, too_good
from jaxgen.training import Fitted, TrainingDiverged, fit
from jaxgen.transform import Density
from jaxgen.zoo import COMPARED, NAMES, build, count_params, num_sampling_params
from jaxgen.zoo.store import write_json

NUM_PARAMS = 25_000


class _Budget(NamedTuple):
    samples: int
    events: int
    draws: int
    grid: int
    points: int


FULL, QUICK = _Budget(10_000, 10_000, 500, 64, 2_000), _Budget(2_000, 2_000, 20, 40, 500)


def compare(
    *,
    data: str = "two_moons",
    models: tuple[str, ...] = (),
    steps: int | None = None,
    seeds: tuple[int, ...] = (0,),
    out: Path = Path("runs/compare"),
    quick: bool = False,
    num_params: int = NUM_PARAMS,
    columns: tuple[str, ...] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Train the models on the same data with the same number of sampling parameters; write results.json and report.html.

    Args:
        data: a named data set (see `jaxgen list`) or a .npy, .npz, .csv or .parquet file.
        models: which models, by name; by default the one or few that stand for each family; `all` for every model of the zoo.
        steps: training steps of each model; by default each model's own.
        seeds: one run of each model for each seed.
        out: the run folder; a non-empty one is refused without --resume or --overwrite.
        quick: every model with a small budget, to see that all works.
        num_params: sampling parameters of each model; auxiliaries come on top.
        columns: for a file, the columns of the event.
        resume: keep the entries that are done and run the others.
        overwrite: start again in a folder that holds an earlier run.
    """
    models = tuple(NAMES) if models == ("all",) else models
    unknown = [name for name in models if name not in NAMES]
    if unknown:
        raise ValueError(f"--models {' '.join(unknown)}: accepted: all, {', '.join(NAMES)}.")
    arguments.count("--steps", steps)
    arguments.count("--num-params", num_params)
    arguments.seeds(seeds)
    options: dict[str, Any] = {} if columns is None else {"columns": columns}
    if datasets.is_images(data):
        raise ValueError(f"--data {data}: holds images; compare is for vectors. Train a model on images by jaxgen train.")
    dataset = datasets.load(data, **options)
    out = open_folder(out, resume, overwrite)
    settings = {"data": data, "columns": columns and list(columns), "num_params": num_params, "quick": quick, "steps": steps}
    results = earlier_rows(out, settings) if resume else []
    if overwrite:
        clear(out)
    budget = QUICK if quick else FULL
    run = _Run(data, dataset, _reference(data, dataset, budget), budget, steps, quick, num_params, out, settings)
    todo = [(name, seed) for seed in dict.fromkeys(seeds) for name in dict.fromkeys(models or tuple(COMPARED))]
    start = time.perf_counter()
    status = _run_all(run, todo, results)
    _write(run, results)
    failed = [r["model"] for r in results if r["status"] != "ok"]
    print(
        f"{len(results) - len(failed)} of {len(results)} entries ok in {time.perf_counter() - start:.0f} s; results in {out / 'report.html'}"
    )
    if failed:
        print(f"failed: {', '.join(failed)}; the reasons are in {out / 'results.json'}", file=sys.stderr)
    return status or int(bool(failed))


class _Run(NamedTuple):
    data: str
    dataset: Any
    real: Reference
    budget: _Budget
    steps: int | None
    quick: bool
    num_params: int
    out: Path
    settings: dict[str, Any]


def _run_all(run: _Run, todo: list[tuple[str, int]], results: list[dict[str, Any]]) -> int:
    done = {(r["model"], r["seed"]) for r in results if r["status"] == "ok"}
    for i, (name, seed) in enumerate(todo, 1):
        if (name, seed) in done:
            continue
        results[:] = [r for r in results if (r["model"], r["seed"]) != (name, seed)]
        try:
            result = _one(run, name, seed)
        except KeyboardInterrupt:
            print("interrupted; what is done is kept. Go on with --resume.", file=sys.stderr)
            return 130
        results.append(result)
        _write(run, results)
        print(f"[{i}/{len(todo)}] {_line(result)}", flush=True)
    return 0


def _one(run: _Run, name: str, seed: int) -> dict[str, Any]:
    """One entry from building to its picture; whatever goes wrong becomes its status and loses nothing else."""
    result: dict[str, Any] = {"model": name, "seed": seed, "status": "ok", "settings": run.settings}
    try:
        entry = build(name, run.dataset.train.shape[1:], num_params=run.num_params)
        steps = run.steps or (max(20, entry.num_steps // 15) if run.quick else entry.num_steps)
        # By its name, so that a model's result does not change when another joins the zoo.
        key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
        result |= {"family": entry.family, "objective": entry.objective_name, "reading": entry.reading, "num_steps": steps}
        result["density"] = str(entry.model.transform.density)
        fitted = fit(key, entry, run.dataset.train, steps)
        if fitted.status == "interrupted":
            raise KeyboardInterrupt
        result["num_params"] = num_sampling_params(entry.model)
        result["num_aux_params"] = count_params(fitted.params) + count_params(fitted.aux) - result["num_params"]
        result["train_seconds"], result["compile_seconds"] = fitted.history["train_seconds"], fitted.history["compile_seconds"]
        _measure(run, entry, fitted, jax.random.fold_in(key, 1), result, seed)
    except TrainingDiverged as error:
        result["status"] = f"failed: {error}"
    except Exception as error:  # an entry that fails is a red row, not a lost run
        # A ValueError is most likely an argument that this one model cannot take, and says so itself.
        if not isinstance(error, ValueError) or os.environ.get("JAXGEN_TRACEBACK"):
            traceback.print_exc()
        result["status"] = f"failed: {type(error).__name__}: {error}"
    return result


def _measure(run: _Run, entry: Any, fitted: Fitted, key: jax.Array, result: dict[str, Any], seed: int) -> None:
    model, real, plane = entry.model, run.real, run.dataset.train.shape[1] == 2
    followed = follow(jax.random.fold_in(key, 0), model, fitted.params, real.x)
    result["nfe"] = followed.nfe
    events, draws, size = _effort(run.budget, model.transform.density, followed.nfe)
    xs, ys, points = density_grid(real.x, size) if plane else (None, None, None)
    figures, _, log_density = evaluate(
        jax.random.fold_in(key, 1),
        model,
        fitted.params,
        real,
        num_samples=run.budget.samples,
        num_events=events,
        num_draws=draws,
        also=points,
    )
    result |= figures
    why = too_good(result, real.entropy)
    if why is not None:
        result["status"] = f"failed: {why}"
    result["readings"] = {
        reading: {"density": str(m.transform.density), **_other_reading(run, m, fitted, key)}
        for reading, m in entry.readings.items()
        if m is not model and not run.quick
    }
    density = None if log_density is None else (xs, ys, log_density.reshape(size, size))
    row = picture(entry, fitted, followed, real.x, density, result["density"])
    pictures = run.out / "pictures"
    pictures.mkdir(exist_ok=True)
    (pictures / _picture_name(entry.name, seed)).write_bytes(viz.figure_png(viz.draw_row(row)))


def _other_reading(run: _Run, model: Any, fitted: Fitted, key: jax.Array) -> dict[str, Any]:
    """A smaller evaluation of a reading that is not the default one."""
    events, draws, _ = _effort(run.budget, model.transform.density, 100)
    figures, _, _ = evaluate(
        key, model, fitted.params, run.real, num_samples=run.budget.samples // 5, num_events=min(events, 2_000), num_draws=draws
    )
    return {**figures, "nfe": mean_nfe(key, model, fitted.params)}


def _effort(budget: _Budget, kind: Density, nfe: float) -> tuple[int, int, int]:
    """Test events, draws and grid size that a density is worth: bounds of one pass are cheap to sharpen, those of long chains are not."""
    if kind is Density.EXACT:
        return budget.events, 1, budget.grid
    if nfe <= 2:
        return budget.events // 5, budget.draws, budget.grid * 3 // 4
    return budget.events // 5, min(4, budget.draws), budget.grid // 2


def _reference(data: str, dataset: Any, budget: _Budget) -> Reference:
    """Fresh test events; the floors are measured against as many independent real events."""
    test = dataset.test
    if data in datasets.NAMES and data != "digits":
        again = datasets.draw(data, 1, budget.samples)
        test = datasets.draw(data, 2, budget.samples)
    else:
        again = dataset.train[: len(test)]
    return reference(
        test,
        again,
        log_prob=dataset.log_prob,
        entropy=dataset.entropy,
        mode=dataset.mode,
        mode_weights=dataset.mode_weights,
        max_points=budget.points,
    )


def _write(run: _Run, results: list[dict[str, Any]]) -> None:
    write_json(run.out / "results.json", [_plain(r) for r in results])
    pictures = {}
    for r in results:
        path = run.out / "pictures" / _picture_name(r["model"], r["seed"])
        if path.is_file() and r["model"] not in pictures:
            pictures[r["model"]] = path.read_bytes()
    entropy = run.dataset.entropy
    settings = {
        "data": run.data,
        "training events": len(run.dataset.train),
        "event": f"{run.dataset.train.shape[1]} numbers",
        "true entropy": "not known" if entropy is None else f"{entropy:.4f} nats",
        "sampling parameters": f"{run.num_params:,} each",
        "batch": 256,
        "test events": len(run.real.x),
        "jax": jax.__version__,
        "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
    }
    notes = [] if run.dataset.train.shape[1] == 2 else ["Events have more than two coordinates; the pictures show the first two."]
    viz.write_report(run.out / "report.html", f"jaxgen compare: {run.data}", results, pictures, settings, notes)


def _picture_name(model: str, seed: int) -> str:
    return f"{model}-{seed}.png"


def _plain(value: Any) -> Any:
    """Numbers JSON can hold: a value that is not finite becomes null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value


def _line(r: dict[str, Any]) -> str:
    if r["status"] != "ok":
        return f"{r['model']}: {r['status']}"
    nll = "implicit" if r["nll"] is None else f"nll {r['nll']:.3f} ({r['nll_kind']})"
    return f"{r['model']}: {nll}, sliced W2 {r['sliced_w2']:.3f}, {r['samples_per_second']:,.0f} samples/s, trained in {r['train_seconds']:.1f} s"
