"""`jaxgen compare`: train several models on the same data and write one page that shows them side by side."""

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxgen import checks
from jaxgen import data as datasets
from jaxgen.cli import arguments
from jaxgen.cli.ahead import Ahead
from jaxgen.cli.beside import baselines_of
from jaxgen.cli.compare_entry import FULL, QUICK, Built, Run, build, one_entry, reference_of, stages_for
from jaxgen.cli.compare_page import line_of, write_results
from jaxgen.cli.equal import Equal
from jaxgen.cli.leaderboard import leaderboards, lines
from jaxgen.cli.own_entries import own_entries
from jaxgen.cli.run_folder import discard_aside, earlier_rows, open_folder, set_aside
from jaxgen.cli.signals import Kept
from jaxgen.zoo import COMPARED, DISCRETE, NAMES

NUM_PARAMS = 25_000


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
    real, beside = reference_of(data, dataset, budget), None if known else baselines_of(dataset, standardised=True)
    names = dict.fromkeys(models or (accepted if datasets.is_discrete(data) else tuple(COMPARED)))
    stages = stages_for(len(names))
    run = Run(data, dataset, real, budget, steps, quick, num_params, out, settings, beside, stages)
    todo = [(name, seed) for seed in dict.fromkeys(seeds) for name in names]
    start = time.perf_counter()
    status = _run_all(run, todo, results)
    write_results(run, results)
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


def _run_all(run: Run, todo: list[tuple[str, int]], results: list[dict[str, Any]]) -> int:
    done = {(r["model"], r["seed"]) for r in results if r["status"] == "ok"}
    left = [(i, item) for i, item in enumerate(todo, 1) if item not in done]
    built: Callable[[tuple[str, int]], Built] = functools.partial(build, run)
    with Ahead(built) as ahead:
        for (i, (name, seed)), following in zip(left, [*left[1:], None], strict=True):
            results[:] = [r for r in results if (r["model"], r["seed"]) != (name, seed)]
            # How many steps take as long is measured, and a measurement has the machine for itself.
            then = None if following is None or run.settings["equal"] == "seconds" else functools.partial(ahead.begin, following[1])
            try:
                result = one_entry(run, name, seed, ahead, then)
            except KeyboardInterrupt:
                print(f"jaxgen: interrupted; {Kept.text}", file=sys.stderr)
                return 130
            results.append(result)
            write_results(run, results)
            Kept.text = f"the {len(results)} entries that are done are kept in {run.out}. Go on with --resume."
            print(f"[{i}/{len(todo)}] {line_of(result)}", flush=True)
    return 0
