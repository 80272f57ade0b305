"""`jaxgen compare`: train several models on the same data and write one page that shows them side by side."""

import functools
import json
import os
import sys
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen import checks, viz
from jaxgen import data as datasets
from jaxgen.atomic import write_json
from jaxgen.cli import arguments
from jaxgen.cli.ahead import Ahead
from jaxgen.cli.beside import as_figures, baselines_of
from jaxgen.cli.equal import Equal, steps_of
from jaxgen.cli.leaderboard import leaderboards, lines
from jaxgen.cli.own_entries import own_entries
from jaxgen.cli.run_folder import discard_aside, earlier_rows, open_folder, plain, set_aside
from jaxgen.cli.signals import Kept
from jaxgen.cli.sites import sites_png
from jaxgen.data import Dataset
from jaxgen.evaluation import Baselines, Reference, density_grid, evaluate, failures, gaps_of, mean_nfe, reference, table_figures, too_good
from jaxgen.evaluation.tracks import MAX_STAGES, as_followed, shared_uniforms, track
from jaxgen.model import Model
from jaxgen.training import PATIENCE, Entry, Fitted, TrainingDiverged, compile_fit, fit, steps_for, verdict
from jaxgen.transform import Density
from jaxgen.viz.atlas.of_entry import Densities, panel_of, points_of
from jaxgen.viz.atlas.page import stored_section
from jaxgen.viz.of_entry import picture
from jaxgen.zoo import COMPARED, DISCRETE, NAMES, Prepared, count_params, exact, num_sampling_params, prepare

NUM_PARAMS = 25_000
BATCH = 256
STAGES = 160
"""How many stages the panels of the atlas keep in all, so that they and the pictures stay below 8 MB."""


class _Budget(NamedTuple):
    samples: int
    events: int
    draws: int
    grid: int
    points: int


FULL, QUICK = _Budget(10_000, 10_000, 500, 64, 2_000), _Budget(2_000, 2_000, 20, 40, 500)


def stages_for(num: int) -> int:
    """Return how many stages of each of `num` models the atlas of a comparison keeps.

    >>> stages_for(1), stages_for(13), stages_for(60)
    (17, 12, 2)
    """
    return max(2, min(MAX_STAGES, STAGES // num))


def compare(
    *,
    data: str = "two_moons",
    models: tuple[str, ...] = (),
    steps: int | None = None,
    seeds: tuple[int, ...] = (0,),
    out: Path = Path("runs/compare"),
    quick: bool = False,
    num_params: int = NUM_PARAMS,
    equal: Equal = "params",
    amount: float | None = None,
    columns: tuple[str, ...] | None = None,
    discrete: tuple[str, ...] | None = None,
    dates: tuple[str, ...] | None = None,
    drop: tuple[str, ...] | None = None,
    imports: tuple[str, ...] = (),
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Train models on the same data with the same number of sampling parameters, and write results.json and report.html.

    Args:
        data: What to train on: the name of a data set (see `jaxgen list`), or a .npy, .npz, .csv, .parquet or .txt file. Data sets of codes
            and texts compare the models of codes.
        models: Names of the models. By default one or a few of each family are compared; `all` compares every model of the zoo.
        steps: Number of training steps of each model. By default each model has its own, and few rows are passed over at most 200 times.
            Where the density is not known, training stops early by the loss of the validation rows, and the best parameters are kept.
        seeds: Seeds; each model is trained once for each of them.
        out: Run folder to write. A folder that is not empty is refused unless you give --resume or --overwrite.
        quick: Train every model for a short time and evaluate it on few samples, to see that all works.
        num_params: Number of parameters that sampling needs, about the same for each model. Auxiliaries that sampling drops come on top.
        equal: What is equal beside the number of parameters: `params`, nothing more, and each model trains for its own number of steps;
            `flops`, the floating-point operations of training; or `seconds` of training, compilation not counted.
        amount: How much of it each model gets: by default 2e11 operations or 30 seconds, and a thirtieth with --quick.
        columns: For a file, the columns of the event, by name or index.
        discrete: For a file, columns of numbers that are categories. Text is found to be categories without it.
        dates: For a file, columns that are dates.
        drop: For a file, columns that are left out.
        imports: Modules of your own, by the names that `import` takes, which register entries (`jaxgen.zoo.register`) for --models.
        resume: Keep the models that are done and run the others.
        overwrite: Start again in a folder that holds an earlier run, which is removed when this one is done.
    """
    own_entries(imports)
    accepted = tuple(DISCRETE if datasets.is_discrete(data) else NAMES)
    models = accepted if models == ("all",) else models
    unknown = [name for name in models if name not in accepted]
    if unknown:
        raise ValueError(f"--models {' '.join(unknown)}: accepted: all, {', '.join(accepted)}.{checks.closest(unknown[0], accepted)}")
    arguments.count("--steps", steps)
    arguments.count("--num-params", num_params)
    if amount is not None and (equal == "params" or not 0 < amount < float("inf")):
        raise ValueError(f"--amount {amount}: accepted: a number above 0, with --equal flops or --equal seconds.")
    if steps is not None and equal != "params":
        raise ValueError(f"--steps {steps} with --equal {equal}: accepted: one of the two.")
    arguments.seeds(seeds)
    chosen = {"columns": columns, "discrete": discrete, "dates": dates, "drop": drop}
    options: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    if datasets.is_images(data):
        raise ValueError(f"--data {data}: holds images; accepted: vectors. Train a model of images by jaxgen train.")
    dataset = datasets.load(data, **options)
    out = open_folder(out, resume, overwrite)
    settings = {"data": data, "columns": columns and list(columns), "num_params": num_params, "quick": quick, "steps": steps}
    settings |= {"equal": equal, "amount": amount}
    settings |= {name: list(value) for name, value in options.items() if name != "columns"}
    results = earlier_rows(out, settings) if resume else []
    if overwrite:
        set_aside(out)
    budget = QUICK if quick else FULL
    known = data in datasets.NAMES or dataset.levels is not None
    real, beside = _reference(data, dataset, budget), None if known else baselines_of(dataset, standardised=True)
    names = dict.fromkeys(models or (accepted if datasets.is_discrete(data) else tuple(COMPARED)))
    stages = stages_for(len(names))
    run = _Run(data, dataset, real, budget, steps, quick, num_params, out, settings, beside, stages)
    todo = [(name, seed) for seed in dict.fromkeys(seeds) for name in names]
    start = time.perf_counter()
    status = _run_all(run, todo, results)
    _write(run, results)
    if status == 0:
        discard_aside(out)
    failed = [r["model"] for r in results if r["status"] != "ok"]
    for said in lines(leaderboards(results)):
        print(said)
    print(
        f"{len(results) - len(failed)} of {len(results)} entries ok in {time.perf_counter() - start:.0f} s; results in {out / 'report.html'}"
    )
    if failed:
        print(f"failed: {', '.join(failed)}; the reasons are in {out / 'results.json'}", file=sys.stderr)
    return status or int(bool(failed))


class _Run(NamedTuple):
    data: str
    dataset: Dataset
    real: Reference
    budget: _Budget
    steps: int | None
    quick: bool
    num_params: int
    out: Path
    settings: dict[str, Any]
    beside: Baselines | None
    stages: int


class _Built(NamedTuple):
    prepared: Prepared
    batch: int
    steps: int
    key: jax.Array
    compile_seconds: float


def _run_all(run: _Run, todo: list[tuple[str, int]], results: list[dict[str, Any]]) -> int:
    done = {(r["model"], r["seed"]) for r in results if r["status"] == "ok"}
    left = [(i, item) for i, item in enumerate(todo, 1) if item not in done]
    built: Callable[[tuple[str, int]], _Built] = functools.partial(_built, run)
    with Ahead(built) as ahead:
        for (i, (name, seed)), following in zip(left, [*left[1:], None], strict=True):
            results[:] = [r for r in results if (r["model"], r["seed"]) != (name, seed)]
            # How many steps take as long is measured, and a measurement has the machine for itself.
            then = None if following is None or run.settings["equal"] == "seconds" else functools.partial(ahead.begin, following[1])
            try:
                result = _one(run, name, seed, ahead, then)
            except KeyboardInterrupt:
                print(f"jaxgen: interrupted; {Kept.text}", file=sys.stderr)
                return 130
            results.append(result)
            _write(run, results)
            Kept.text = f"the {len(results)} entries that are done are kept in {run.out}. Go on with --resume."
            print(f"[{i}/{len(todo)}] {_line(result)}", flush=True)
    return 0


def _built(run: _Run, item: tuple[str, int]) -> _Built:
    """Build an entry and compile its training."""
    name, seed = item
    levels: dict[str, Any] = {} if run.dataset.levels is None else {"levels": run.dataset.levels}
    prepared = prepare(name, run.dataset, num_params=run.num_params, **levels)
    entry, batch = prepared.entry, min(BATCH, len(run.dataset.train))
    steps = steps_for(entry.card.num_steps, len(run.dataset.train), batch)
    given = run.steps or steps_of(run.settings["equal"], run.settings["amount"], run.quick, entry, prepared.data.train, batch)
    steps = given or (max(20, steps // 15) if run.quick else steps)
    # The key depends on the name, so that a model's result does not change when another model joins the zoo.
    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
    return _Built(prepared, batch, steps, key, compile_fit(key, entry, prepared.data.train, steps, batch_size=batch))


def _one(run: _Run, name: str, seed: int, ahead: Ahead[tuple[str, int], _Built], then: Callable[[], None] | None) -> dict[str, Any]:
    """Build, train and measure one entry. An error becomes the status of this entry and does not stop the others.

    `then` is called when nothing more is timed, so that what it begins slows nothing that is measured.
    """
    result: dict[str, Any] = {"model": name, "seed": seed, "status": "ok", "settings": run.settings}
    try:
        prepared, batch, steps, key, compile_seconds = ahead.take((name, seed))
        entry = prepared.entry
        result |= {"family": entry.card.family, "objective": entry.card.objective, "reading": entry.card.reading, "num_steps": steps}
        result |= {"accent": entry.card.style.accent, "sentence": entry.card.style.sentence}
        held_out = {} if run.dataset.log_prob is not None else {"valid": prepared.data.valid, "patience": PATIENCE}
        fitted = fit(key, entry, prepared.data.train, steps, batch_size=batch, **held_out)
        result["verdict"] = str(verdict(fitted.history) or "")
        if fitted.status == "interrupted":
            raise KeyboardInterrupt
        result["num_params"] = num_sampling_params(entry.model)
        result["num_aux_params"] = count_params(fitted.params) + count_params(fitted.aux) - result["num_params"]
        entry, fitted = prepared.standardised(fitted)
        result["density"] = str(entry.model.transform.kind)
        result["train_seconds"] = fitted.history["train_seconds"]
        result["compile_seconds"] = compile_seconds + fitted.history["compile_seconds"]
        _measure(run, entry, fitted, jax.random.fold_in(key, 1), result, seed, then)
    except TrainingDiverged as error:
        result["status"] = f"failed: {error}"
    except Exception as error:  # an entry that fails is a red row of the page, and the others go on
        # A ValueError is most likely an argument that this model cannot take, and its message says so.
        if not isinstance(error, ValueError) or os.environ.get("JAXGEN_TRACEBACK"):
            traceback.print_exc()
        result["status"] = f"failed: {type(error).__name__}: {error}"
    return result


def _measure(
    run: _Run, entry: Entry, fitted: Fitted, key: jax.Array, result: dict[str, Any], seed: int, then: Callable[[], None] | None
) -> None:
    pictures = run.out / "pictures"
    pictures.mkdir(exist_ok=True)
    file, levels = pictures / _picture_name(entry.card.name, seed), run.dataset.levels
    if levels is not None:
        result["nfe"] = mean_nfe(key, entry.model, fitted.params)
        _figures(run, entry, fitted, key, result, None, then)
        file.write_bytes(sites_png(jax.random.fold_in(key, 0), entry, fitted.params, run.real.x, levels))
        return
    model, real, plane = entry.model, run.real, run.dataset.train.shape[1] == 2
    tracks = track(jax.random.fold_in(key, 0), model, fitted.params, real.x, run.stages)
    result["nfe"] = tracks.nfe
    size = _effort(run.budget, model.transform.kind, tracks.nfe)[2]
    # The densities of a chain are dear, so its points in the atlas tell none.
    points = points_of(tracks) if model.transform.kind is Density.EXACT or tracks.nfe <= 2 else real.x[:0]
    grid = density_grid(real.x, size) if plane else None
    log_density = _figures(run, entry, fitted, key, result, points if grid is None else np.concatenate([points, grid[2]]), then)
    densities = None if log_density is None else Densities.parted(log_density, len(points), size if plane else None)
    density = None if densities is None or grid is None or densities.on_grid is None else (*grid[:2], densities.on_grid.reshape(size, size))
    row = picture(entry, fitted, as_followed(tracks), real.x, density, result["density"])
    file.write_bytes(viz.figure_png(viz.draw_row(row)))
    write_json(file.with_suffix(".json"), panel_of(entry, fitted, real.x, tracks, densities).as_json())


def _figures(
    run: _Run,
    entry: Entry,
    fitted: Fitted,
    key: jax.Array,
    result: dict[str, Any],
    also: np.ndarray | None,
    then: Callable[[], None] | None,
) -> np.ndarray | None:
    """Measure the default reading and the others; return the log densities of the default one at `also`."""
    model, real = entry.model, run.real
    others = [(reading, m) for reading, m in entry.readings.items() if m is not model and not run.quick]
    events, draws, _ = _effort(run.budget, model.transform.kind, result["nfe"])
    figures, samples, log_density = evaluate(
        jax.random.fold_in(key, 1),
        model,
        fitted.params,
        real,
        num_samples=run.budget.samples,
        num_events=events,
        num_draws=draws,
        also=also,
        when_timed=None if others else then,
    )
    result |= {**figures, **as_figures(run.beside), **_of_columns(run.dataset, samples)}
    found = failures(model, fitted.params, samples, real, history=fitted.history, seed=result["seed"])
    result["detectors"] = [finding._asdict() for finding in found]
    why = too_good(result, real.entropy)
    if why is not None:
        result["status"] = f"failed: {why}"
    result["readings"] = {
        reading: {"density": str(m.transform.kind), **_other_reading(run, m, fitted, key, then if m is others[-1][1] else None)}
        for reading, m in others
    }
    return log_density


def _of_columns(dataset: Dataset, samples: np.ndarray) -> dict[str, float]:
    """The errors of a table's columns and pairs, and how well a classifier tells samples from data, beside the floors; {} for other data."""
    if dataset.schema is None or not dataset.schema.event or dataset.units is None:
        return {}
    x, test, train = (exact(dataset.schema, dataset.units.restore(rows)) for rows in (samples, dataset.test, dataset.train))
    figures = table_figures(x[: len(test)], test, train, dataset.schema)
    return {name: value for name, value in figures.items() if isinstance(value, float) and np.isfinite(value)}


def _other_reading(run: _Run, model: Model, fitted: Fitted, key: jax.Array, then: Callable[[], None] | None) -> dict[str, Any]:
    """Evaluate a reading that is not the default one on fewer samples."""
    events, draws, _ = _effort(run.budget, model.transform.kind, 100)
    num = {"num_samples": run.budget.samples // 5, "num_events": min(events, 2_000), "num_draws": draws}
    figures, _, _ = evaluate(key, model, fitted.params, run.real, **num, when_timed=then)
    return {**figures, "nfe": mean_nfe(key, model, fitted.params)}


def _effort(budget: _Budget, kind: Density, nfe: float) -> tuple[int, int, int]:
    """The numbers of test events, of draws and of grid points for a kind of density: draws are cheap for one pass, and dear for a chain."""
    if kind is Density.EXACT:
        return budget.events, 1, budget.grid
    if nfe <= 2:
        return budget.events // 5, budget.draws, budget.grid * 3 // 4
    return budget.events // 5, min(4, budget.draws), budget.grid // 2


def _reference(data: str, dataset: Dataset, budget: _Budget) -> Reference:
    """Draw fresh test events, and as many independent real events that give the floors."""
    test = dataset.test
    if data in (*datasets.NAMES, *datasets.DISCRETE) and data not in ("digits", "text"):
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
        gaps=gaps_of(dataset),
    )


def _write(run: _Run, results: list[dict[str, Any]]) -> None:
    write_json(run.out / "results.json", [plain(r) for r in results])
    pictures, panels = {}, {}
    for r in results:
        path = run.out / "pictures" / _picture_name(r["model"], r["seed"])
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


def _picture_name(model: str, seed: int) -> str:
    return f"{model}-{seed}.png"


def _line(r: dict[str, Any]) -> str:
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
